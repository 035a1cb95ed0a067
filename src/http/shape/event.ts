/**
 * Events as a client's version knows them: before 1.52 the words of the first
 * API (`status`, `id`, `from`) travel beside the new ones.
 * Source: Docker Engine API, version history; engine-api facts 5.4.
 */

import type { EngineEvent } from '../../spec/docker/system.ts';

/** One event. */
export function shapeEvent(event: EngineEvent): object {
  switch (event.Type) {
    case 'container': {
      const from = event.Actor.Attributes['image'];
      return {
        status: event.Action,
        id: event.Actor.ID,
        ...(from === undefined ? {} : { from }),
        ...event,
      };
    }
    case 'image':
      return { status: event.Action, id: event.Actor.ID, ...event };
    default:
      return event;
  }
}

/** Creation of an image became an event in 1.46. */
export function isShown(event: EngineEvent, version: number): boolean {
  return version >= 46 || event.Type !== 'image' || event.Action !== 'create';
}
