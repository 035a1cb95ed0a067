/** Events of volumes. Source: Engine API `GET /events`; engine-api facts 5.4. */

import type { Container } from '../containers/container.ts';
import type { EngineParts } from '../parts.ts';

/** A volume came or went. */
export function announceVolume(
  parts: Pick<EngineParts, 'events'>,
  volume: { readonly name: string; readonly driver: string },
  ...[action, extra = {}]: readonly [
    action: 'create' | 'destroy' | 'rename',
    extra?: Readonly<Record<string, string>>,
  ]
): void {
  const { name, driver } = volume;
  parts.events.publish({ type: 'volume', action, id: name, attributes: { driver, ...extra } });
}

/** A container that begins or ends to run uses its volumes. */
export function announceMounts(
  parts: Pick<EngineParts, 'events'>,
  container: Container,
  action: 'mount' | 'unmount',
): void {
  for (const { volume, destination, propagation, readonly } of container.record.mounts) {
    if (volume === undefined) continue;
    const use = { destination, propagation, 'read/write': String(!readonly) };
    parts.events.publish({
      type: 'volume',
      action,
      id: volume.name,
      attributes: {
        container: container.id,
        driver: volume.driver,
        ...(action === 'mount' ? use : {}),
      },
    });
  }
}
