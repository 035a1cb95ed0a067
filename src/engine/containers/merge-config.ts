/**
 * What a container runs: the client's configuration over the image's, pure.
 * Source: Engine API `ContainerConfig`; engine-api facts 4.1.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerConfig, HealthConfig } from '../../spec/docker/container.ts';

/** Clients read these of every inspect; a request that says nothing means no. */
const SILENT = {
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
} as const;

function definedFlags(user: ContainerConfig): Partial<Record<keyof typeof SILENT, boolean>> {
  const { AttachStdin, AttachStdout, AttachStderr, Tty, OpenStdin, StdinOnce } = user;
  return withoutUndefined({ AttachStdin, AttachStdout, AttachStderr, Tty, OpenStdin, StdinOnce });
}

function withoutUndefined<K extends string>(
  flags: Readonly<Record<K, boolean | undefined>>,
): Partial<Record<K, boolean>> {
  const defined: Partial<Record<K, boolean>> = {};
  for (const name in flags) {
    const flag = flags[name];
    if (flag !== undefined) defined[name] = flag;
  }
  return defined;
}

/** A configuration with every field that has a meaning set. */
export function mergeConfig(user: ContainerConfig, image: ContainerConfig | null): ContainerConfig {
  const base = image ?? {};
  const entrypoint = words(user.Entrypoint);
  const command = words(user.Cmd);
  const health = mergeHealth(user.Healthcheck, base.Healthcheck);
  return {
    ...user,
    ...SILENT,
    ...definedFlags(user),
    User: pick(user.User, base.User),
    WorkingDir: pick(user.WorkingDir, base.WorkingDir),
    ...optional('StopSignal', filled(pick(user.StopSignal, base.StopSignal))),
    ...optional('StopTimeout', user.StopTimeout ?? base.StopTimeout ?? undefined),
    ...optional('Shell', user.Shell ?? base.Shell ?? undefined),
    ...optional('Healthcheck', health),
    ExposedPorts: { ...base.ExposedPorts, ...user.ExposedPorts },
    Volumes: { ...base.Volumes, ...user.Volumes },
    Labels: { ...base.Labels, ...user.Labels },
    Env: mergeEnv(user.Env ?? [], base.Env ?? []),
    ...mergeCommand({ entrypoint, command }, base),
    OnBuild: base.OnBuild ?? null,
  };
}

function mergeCommand(
  user: {
    readonly entrypoint: readonly string[] | undefined;
    readonly command: readonly string[] | undefined;
  },
  base: ContainerConfig,
): Pick<ContainerConfig, 'Entrypoint' | 'Cmd'> {
  // `[""]` is how clients say "no entrypoint": the image's command goes with it.
  const isReset = user.entrypoint?.length === 1 && user.entrypoint[0] === '';
  const entrypoint = isReset ? [] : (user.entrypoint ?? words(base.Entrypoint));
  const takesImageCommand = user.entrypoint === undefined && user.command === undefined;
  const command = takesImageCommand ? words(base.Cmd) : user.command;
  return {
    Entrypoint: entrypoint?.length === 0 ? null : (entrypoint ?? null),
    Cmd: command ?? null,
  };
}

/** Lists and single strings alike; empty and null count as absent. */
function words(
  value: readonly string[] | string | null | undefined,
): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list = typeof value === 'string' ? [value] : value;
  return list.length === 0 ? undefined : list;
}

/** What is executed: entrypoint, then command. Errors: `invalid` when there is nothing. */
export function commandOf(config: ContainerConfig): readonly string[] {
  const all = [...(words(config.Entrypoint) ?? []), ...(words(config.Cmd) ?? [])];
  if (all.length === 0) throw new EngineError('invalid', 'no command specified');
  return all;
}

/** The client's value wins per key; `K` without `=` takes the image's away. */
function mergeEnv(user: readonly string[], base: readonly string[]): readonly string[] {
  const named = new Set(user.map(keyOf));
  return [
    ...user.filter((entry) => entry.includes('=')),
    ...base.filter((entry) => !named.has(keyOf(entry))),
  ];
}

function keyOf(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}

const HEALTH_NUMBERS = ['Interval', 'Timeout', 'StartPeriod', 'StartInterval', 'Retries'] as const;

function mergeHealth(
  user: HealthConfig | null | undefined,
  base: HealthConfig | null | undefined,
): HealthConfig | undefined {
  if (user === undefined || user === null) return base ?? undefined;
  if (base === undefined || base === null) return user;
  const ownTest = user.Test ?? [];
  const test = ownTest.length === 0 ? base.Test : ownTest;
  // 0 inherits.
  const numbers = HEALTH_NUMBERS.flatMap((key) => {
    const value = [user[key], base[key]].find((each) => each !== undefined && each !== 0);
    return value === undefined ? [] : [[key, value] as const];
  });
  return { ...optional('Test', test ?? undefined), ...Object.fromEntries(numbers) };
}

function filled(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function pick(user: string | undefined, base: string | undefined): string {
  return user === undefined || user === '' ? (base ?? '') : user;
}

/** `{key: value}`, or nothing for `undefined`: absent fields stay absent. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  if (value === undefined) return {};
  const object: Partial<Record<K, V>> = {};
  object[key] = value;
  return object;
}
