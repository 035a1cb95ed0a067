/**
 * Events of a container, with the attributes Docker gives them: all labels,
 * the image's name, the container's name, and what the action adds.
 */

import { predefinedNetworkId } from '../../network/predefined.ts';
import type { EngineParts } from '../parts.ts';
import type { Container } from './container.ts';

/** An action, and the attributes it adds. */
export type Announcement = readonly [action: string, extra?: Readonly<Record<string, string>>];

/** Publish one event of `container`. */
export function announce(
  parts: Pick<EngineParts, 'events'>,
  container: Container,
  ...[action, extra = {}]: Announcement
): void {
  const { config, name, id } = container.record;
  parts.events.publish({
    type: 'container',
    action,
    id,
    attributes: { ...config.Labels, ...extra, image: config.Image ?? '', name },
  });
}

/** Publish the coming or going of the container's network. */
export function announceNetwork(
  parts: Pick<EngineParts, 'events' | 'engineId'>,
  container: Container,
  action: 'connect' | 'disconnect',
): void {
  const mode = container.record.hostConfig.NetworkMode ?? 'none';
  if (mode !== 'none' && mode !== 'host') return;
  parts.events.publish({
    type: 'network',
    action,
    id: predefinedNetworkId(parts.engineId, mode),
    attributes: { container: container.id, name: mode, type: mode === 'none' ? 'null' : 'host' },
  });
}
