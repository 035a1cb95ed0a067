/**
 * Which events a client of `GET /events` wants.
 * Source: Engine API `GET /events`, `filters`.
 */

import type { EngineEvent } from '../../spec/docker/system.ts';
import type { Filters } from '../engine.ts';
import { checkFilterKeys, matchesAny, matchesLabels } from '../filters.ts';

const KEYS: ReadonlySet<string> = new Set([
  'type',
  'event',
  'container',
  'network',
  'volume',
  'image',
  'daemon',
  'plugin',
  'node',
  'service',
  'secret',
  'config',
  'label',
  'label!',
  'scope',
]);
/** Keys that name an object of the type of the same name. */
const OBJECT_KEYS = [
  'network',
  'volume',
  'daemon',
  'plugin',
  'node',
  'service',
  'secret',
  'config',
];
/** Actions that carry a text after a colon; a filter may name them without it. */
const PREFIX_ACTIONS: ReadonlySet<string> = new Set(['exec_create', 'exec_start', 'health_status']);

/** A predicate. Errors: `invalid` for an unknown key. */
export function compileEventFilter(filters: Filters): (event: EngineEvent) => boolean {
  checkFilterKeys(filters, KEYS);
  return (event) =>
    matchesAny(filters, 'type', (value) => event.Type === value) &&
    matchesAny(filters, 'event', (value) => matchesAction(event.Action, value)) &&
    matchesAny(filters, 'scope', (value) => event.scope === value) &&
    matchesLabels(filters, event.Actor.Attributes) &&
    matchesAny(filters, 'container', (value) => isAbout(event, 'container', value)) &&
    matchesAny(filters, 'image', (value) => isAboutImage(event, value)) &&
    OBJECT_KEYS.every((key) => matchesAny(filters, key, (value) => isAbout(event, key, value)));
}

function matchesAction(action: string, value: string): boolean {
  if (action === value) return true;
  const colon = action.indexOf(':');
  return colon > 0 && action.slice(0, colon) === value && PREFIX_ACTIONS.has(value);
}

/** By a prefix of the id, or the name. */
function isAbout(event: EngineEvent, type: string, value: string): boolean {
  if (event.Type !== type) return false;
  const { ID, Attributes } = event.Actor;
  return value !== '' && (ID.startsWith(value) || Attributes['name'] === value.replace(/^\//, ''));
}

/** Events of the image, and of containers made from it; a name without tag means any tag. */
function isAboutImage(event: EngineEvent, value: string): boolean {
  const { ID, Attributes } = event.Actor;
  const names = event.Type === 'image' ? [ID, Attributes['name']] : [Attributes['image']];
  if (event.Type !== 'image' && event.Type !== 'container') return false;
  return names.some((name) => name === value || (name !== undefined && withoutTag(name) === value));
}

function withoutTag(name: string): string {
  const colon = name.lastIndexOf(':');
  return colon > name.lastIndexOf('/') ? name.slice(0, colon) : name;
}
