/**
 * `--security-opt` texts → typed options, pure.
 *
 * Source: Engine API `HostConfig.SecurityOpt`; Docker documentation of `run`.
 */

import { EngineError } from '../../../base/error.ts';

/** What a request asks for; absent fields take the engine's default. */
export interface SecurityOptions {
  /** Profile name or `unconfined`. */
  readonly apparmor?: string;
  /** `unconfined`, `builtin`, or a profile as JSON text. */
  readonly seccomp?: string;
  readonly noNewPrivileges?: boolean;
  /** Nothing in /proc and /sys is masked or read-only. */
  readonly hasOpenSystemPaths?: boolean;
  readonly hasWritableCgroups?: boolean;
}

/** Errors: `invalid`. A later option wins over an earlier one of the same key. */
export function parseSecurityOptions(texts: readonly string[]): SecurityOptions {
  return texts.map(parseOption).reduce((all, each) => ({ ...all, ...each }), {});
}

/** Key → what its value asks for; `undefined`: a value that is none. */
const READERS: Readonly<
  Record<string, (value: string | undefined) => SecurityOptions | undefined>
> = {
  'no-new-privileges': (value) => flag('noNewPrivileges', value),
  'writable-cgroups': (value) => flag('hasWritableCgroups', value),
  systempaths: (value) => (value === 'unconfined' ? { hasOpenSystemPaths: true } : undefined),
  apparmor: (value = '') => (/^[\w./:+@-]{1,255}$/.test(value) ? { apparmor: value } : undefined),
  seccomp: (value = '') => (value.trim() === '' ? undefined : { seccomp: value }),
  // SELinux words: accepted, and without a meaning where SELinux is off.
  label: (value = '') => (value === '' ? undefined : {}),
};

function parseOption(text: string): SecurityOptions {
  const { key, value } = split(text);
  const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined;
  const options = read?.(value);
  if (options !== undefined) return options;
  throw new EngineError(
    'invalid',
    `invalid --security-opt: ${JSON.stringify(text.slice(0, 200))} is not one that carve knows`,
  );
}

function flag(
  key: 'noNewPrivileges' | 'hasWritableCgroups',
  value: string | undefined,
): SecurityOptions | undefined {
  if (value === undefined || /^(1|t|true)$/i.test(value)) return { [key]: true };
  return /^(0|f|false)$/i.test(value) ? { [key]: false } : undefined;
}

/** `key=value`, old `key:value`, or `key`. */
function split(text: string): { readonly key: string; readonly value: string | undefined } {
  const at = text.search(/[=:]/);
  if (at === -1) return { key: text, value: undefined };
  return { key: text.slice(0, at), value: text.slice(at + 1) };
}
