/**
 * An untrusted JSON value → a typed seccomp profile. Unknown keys are ignored,
 * as Docker ignores them; a known key of the wrong shape is an error that
 * names its place.
 *
 * Source: moby profiles `seccomp.Seccomp`.
 */

import { EngineError } from '../../base/error.ts';
import type {
  SeccompArgument,
  SeccompCondition,
  SeccompProfile,
  SeccompProfileSyscall,
} from '../../spec/oci/seccomp.ts';
import { ACTIONS, FLAGS, OPERATORS } from './check-seccomp.ts';

type JsonObject = Readonly<Record<string, unknown>>;

const ARCHITECTURE = /^SCMP_ARCH_[A-Z0-9_]+$/;

/** Errors: `invalid`. */
export function decodeProfile(value: unknown): SeccompProfile {
  const profile = object(value, 'the profile');
  const at = (key: string): unknown => profile[key] ?? undefined;
  return {
    defaultAction: oneOf(at('defaultAction'), ACTIONS, 'defaultAction'),
    ...optional('defaultErrnoRet', at('defaultErrnoRet'), integer),
    ...optional('architectures', at('architectures'), list(architecture)),
    ...optional('archMap', at('archMap'), list(group)),
    ...optional(
      'flags',
      at('flags'),
      list((each, place) => oneOf(each, FLAGS, place)),
    ),
    ...optional('listenerPath', at('listenerPath'), text),
    ...optional('listenerMetadata', at('listenerMetadata'), text),
    ...optional('syscalls', at('syscalls'), list(syscall)),
  } as SeccompProfile;
}

function syscall(value: unknown, place: string): SeccompProfileSyscall {
  const rule = object(value, place);
  const at = (key: string): unknown => rule[key] ?? undefined;
  return {
    ...optional('name', at('name') === '' ? undefined : at('name'), text, place),
    ...optional('names', at('names'), list(text), place),
    action: oneOf(at('action'), ACTIONS, `${place}.action`),
    ...optional('errnoRet', at('errnoRet'), integer, place),
    ...optional('args', at('args'), list(argument), place),
    ...optional('includes', at('includes'), condition, place),
    ...optional('excludes', at('excludes'), condition, place),
  } as SeccompProfileSyscall;
}

function argument(value: unknown, place: string): SeccompArgument {
  const each = object(value, place);
  return {
    index: integer(each['index'], `${place}.index`),
    value: wide(each['value'] ?? 0, `${place}.value`),
    valueTwo: wide(each['valueTwo'] ?? 0, `${place}.valueTwo`),
    op: oneOf(each['op'], OPERATORS, `${place}.op`),
  };
}

function condition(value: unknown, place: string): SeccompCondition {
  const each = object(value, place);
  const minKernel = each['minKernel'] === '' ? undefined : (each['minKernel'] ?? undefined);
  return {
    ...optional('caps', each['caps'] ?? undefined, list(text), place),
    ...optional('arches', each['arches'] ?? undefined, list(text), place),
    ...optional('minKernel', minKernel, text, place),
  } as SeccompCondition;
}

function group(value: unknown, place: string): object {
  const each = object(value, place);
  return {
    architecture: architecture(each['architecture'], `${place}.architecture`),
    subArchitectures: list(architecture)(
      each['subArchitectures'] ?? [],
      `${place}.subArchitectures`,
    ),
  };
}

/** `{[key]: read(value)}`, or nothing for an absent value. */
function optional(
  key: string,
  value: unknown,
  read: (value: unknown, place: string) => unknown,
  ...[parent]: readonly string[]
): JsonObject {
  if (value === undefined) return {};
  return { [key]: read(value, parent === undefined ? key : `${parent}.${key}`) };
}

function list<T>(read: (value: unknown, place: string) => T) {
  return (value: unknown, place: string): readonly T[] => {
    if (!Array.isArray(value)) throw invalid(place, 'a list');
    return value.map((each: unknown, index) => read(each, `${place}[${index}]`));
  };
}

function object(value: unknown, place: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(place, 'an object');
  }
  return value as JsonObject;
}

function text(value: unknown, place: string): string {
  if (typeof value !== 'string') throw invalid(place, 'a string');
  return value;
}

function integer(value: unknown, place: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw invalid(place, 'a whole number');
  return value;
}

function wide(value: unknown, place: string): number | bigint {
  return typeof value === 'bigint' ? value : integer(value, place);
}

function architecture(value: unknown, place: string): string {
  const name = text(value, place);
  if (!ARCHITECTURE.test(name)) throw invalid(place, 'an SCMP_ARCH_ name');
  return name;
}

function oneOf<T extends string>(
  value: unknown,
  table: Readonly<Record<T, unknown>>,
  place: string,
): T {
  const name = text(value, place);
  if (!Object.hasOwn(table, name)) throw invalid(place, `one of ${Object.keys(table).join(', ')}`);
  return name as T;
}

function invalid(place: string, expected: string): EngineError {
  return new EngineError('invalid', `Cannot use the seccomp profile: ${place} is not ${expected}`);
}
