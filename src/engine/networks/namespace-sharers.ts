/** Containers that live in the network namespace of another one: it outlives that one's process with them. */

import type { Container } from '../containers/container.ts';
import { referredContainer } from '../containers/resolve-references.ts';
import type { EngineParts } from '../parts.ts';

/** Who may be in the namespace that this container's process made. Rather one too many. */
export function namespaceSharers(
  parts: Pick<EngineParts, 'containers'>,
  { id }: Pick<Container, 'id'>,
): readonly Container[] {
  return [...parts.containers.all()].filter((other) => mayShare(parts, other, id));
}

function mayShare(
  parts: Pick<EngineParts, 'containers'>,
  container: Container,
  id: string,
): boolean {
  const seen = new Set<string>();
  let ref = referredContainer(container.record.hostConfig.NetworkMode);
  while (ref !== undefined && !seen.has(ref)) {
    if (ref === id) return true;
    seen.add(ref);
    const next = parts.containers.find(ref);
    // Whose namespace a removed one was in nobody knows any more.
    if (next === undefined) return true;
    ref = referredContainer(next.record.hostConfig.NetworkMode);
  }
  return false;
}
