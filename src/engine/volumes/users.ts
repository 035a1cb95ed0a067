/** Who uses volumes: containers, whether they run or not. */

import type { Container } from '../containers/container.ts';
import type { EngineParts } from '../parts.ts';

/** Containers by the names of their volumes. */
export function usersByVolume(
  parts: Pick<EngineParts, 'containers'>,
): ReadonlyMap<string, readonly Container[]> {
  const users = new Map<string, Container[]>();
  for (const container of parts.containers.all()) {
    for (const name of volumesOf(container)) {
      const known = users.get(name);
      if (known === undefined) users.set(name, [container]);
      else known.push(container);
    }
  }
  return users;
}

/** Containers that have the volume. */
export function usersOfVolume(
  parts: Pick<EngineParts, 'containers'>,
  name: string,
): readonly Container[] {
  return [...parts.containers.all()].filter((container) => volumesOf(container).has(name));
}

/** `[ID, ID]` and the names, for messages. */
export function describeUsers(users: readonly Container[]): string {
  const ids = users.map(({ id }) => id).join(', ');
  const [first] = users;
  const names = users.map((user) => user.name).join(', ');
  const rest = first === undefined ? '' : ` (container${users.length > 1 ? 's' : ''} ${names})`;
  return `[${ids}]${rest}`;
}

function volumesOf(container: Container): ReadonlySet<string> {
  return new Set(
    container.record.mounts.flatMap(({ volume }) => (volume === undefined ? [] : [volume.name])),
  );
}
