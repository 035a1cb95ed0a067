/**
 * The Dockerfile instructions that `import` and `commit` take as `--change`:
 * text → an execution configuration with the change applied. Pure.
 *
 * Source: Docker CLI reference `docker commit --change` (CMD, ENTRYPOINT, ENV,
 * EXPOSE, LABEL, ONBUILD, USER, VOLUME, WORKDIR, and HEALTHCHECK, SHELL,
 * STOPSIGNAL as the engine accepts them); Dockerfile reference for their syntax.
 */
import { posix } from 'node:path';
import { EngineError } from '../base/error.ts';
import type { ExecutionConfig, HealthcheckConfig } from '../spec/oci/image.ts';
import { splitWords, unquote, type Variables } from './words.ts';

type Change = (config: ExecutionConfig, rest: string) => ExecutionConfig;

const SHELL: readonly string[] = ['/bin/sh', '-c'];

const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (config, rest) => ({ ...config, Cmd: commandOf(config, rest) }),
  ENTRYPOINT: (config, rest) => ({ ...config, Entrypoint: commandOf(config, rest) }),
  ENV: (config, rest) => ({
    ...config,
    Env: withPairs(config.Env ?? [], pairsOf('ENV', rest, variablesOf(config))),
  }),
  EXPOSE: (config, rest) => ({
    ...config,
    ExposedPorts: {
      ...config.ExposedPorts,
      ...Object.fromEntries(portsOf(rest, variablesOf(config)).map((port) => [port, {}])),
    },
  }),
  HEALTHCHECK: (config, rest) => ({ ...config, Healthcheck: healthcheckOf(rest) }),
  LABEL: (config, rest) => ({
    ...config,
    Labels: {
      ...config.Labels,
      ...Object.fromEntries(pairsOf('LABEL', rest, variablesOf(config))),
    },
  }),
  ONBUILD: (config, rest) => ({
    ...config,
    OnBuild: [...(config.OnBuild ?? []), needed('ONBUILD', rest)],
  }),
  SHELL: (config, rest) => ({
    ...config,
    Shell: jsonListOf(rest) ?? refuse('SHELL', rest, 'it must be a JSON list'),
  }),
  STOPSIGNAL: (config, rest) => ({
    ...config,
    StopSignal: oneWord('STOPSIGNAL', rest, variablesOf(config)),
  }),
  USER: (config, rest) => ({ ...config, User: oneWord('USER', rest, variablesOf(config)) }),
  VOLUME: (config, rest) => ({
    ...config,
    Volumes: {
      ...config.Volumes,
      ...Object.fromEntries(volumesOf(config, rest).map((path) => [path, {}])),
    },
  }),
  WORKDIR: (config, rest) => ({
    ...config,
    WorkingDir: posix.resolve(
      '/',
      config.WorkingDir ?? '',
      unquote(needed('WORKDIR', rest), variablesOf(config)),
    ),
  }),
};

/**
 * Apply instructions in order. A new ENTRYPOINT takes away the command that was
 * meant for the old one, unless a CMD came before it. Errors: `invalid`, naming the instruction.
 */
export function applyChanges(config: ExecutionConfig, changes: readonly string[]): ExecutionConfig {
  let current = config;
  let hasCommand = false;
  const lines = changes.flatMap((text) => text.split('\n')).map((line) => line.trim());
  for (const line of lines.filter((text) => text !== '')) {
    const match = /^(\S+)\s*([\s\S]*)$/.exec(line);
    const name = (match?.[1] ?? '').toUpperCase();
    current = applyChange(current, name, (match?.[2] ?? '').trim());
    hasCommand ||= name === 'CMD';
    if (name === 'ENTRYPOINT' && !hasCommand && (current.Entrypoint ?? []).length > 0) {
      const { Cmd: _, ...rest } = current;
      current = rest;
    }
  }
  return current;
}

function applyChange(config: ExecutionConfig, name: string, rest: string): ExecutionConfig {
  const change = Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
  if (change === undefined)
    throw new EngineError(
      'invalid',
      `${name.toLowerCase().slice(0, 50)} is not a valid change command`,
    );
  return change(config, rest);
}

/** What `$NAME` stands for: the environment so far. */
function variablesOf({ Env }: ExecutionConfig): Variables {
  const values = new Map(
    (Env ?? []).map((line) => {
      const equals = line.indexOf('=');
      return equals === -1 ? [line, ''] : [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
  return (name) => values.get(name);
}

function refuse(instruction: string, rest: string, why: string): never {
  throw new EngineError(
    'invalid',
    `Cannot apply change ${JSON.stringify(`${instruction} ${rest}`.slice(0, 200))}: ${why}`,
  );
}

function needed(instruction: string, rest: string): string {
  return rest === ''
    ? refuse(instruction, rest, `${instruction} requires at least one argument`)
    : rest;
}

function oneWord(instruction: string, rest: string, variables: Variables): string {
  const found = words(instruction, rest, variables);
  return found.length === 1
    ? (found[0] ?? '')
    : refuse(instruction, rest, `${instruction} requires exactly one argument`);
}

function words(instruction: string, rest: string, variables: Variables): readonly string[] {
  const found = splitWords(needed(instruction, rest));
  return (
    found?.map((word) => unquote(word, variables)) ??
    refuse(instruction, rest, 'a quote is not closed')
  );
}

function volumesOf(config: ExecutionConfig, rest: string): readonly string[] {
  const variables = variablesOf(config);
  const list = jsonListOf(rest);
  return list?.map((path) => unquote(path, variables)) ?? words('VOLUME', rest, variables);
}

/** A JSON list of texts, or `undefined` when the text is none. */
function jsonListOf(text: string): readonly string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) && value.every((item) => typeof item === 'string')
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

/** The JSON form as it is, the text form through the image's shell. An empty text clears. */
function commandOf(config: ExecutionConfig, rest: string): readonly string[] {
  const list = jsonListOf(rest);
  if (list !== undefined) return list;
  const shell =
    config.Shell === undefined || config.Shell === null || config.Shell.length === 0
      ? SHELL
      : config.Shell;
  return rest === '' ? [] : [...shell, rest];
}

/** `A=1 "B"="x y"`, or the old `A the rest of the line`. */
function pairsOf(
  instruction: string,
  rest: string,
  variables: Variables,
): readonly (readonly [key: string, value: string])[] {
  const found =
    splitWords(needed(instruction, rest)) ?? refuse(instruction, rest, 'a quote is not closed');
  const [first = ''] = found;
  if (!first.includes('=')) {
    const match = /^(\S+)\s+([\s\S]+)$/.exec(rest);
    return match === null
      ? refuse(instruction, rest, `${instruction} must have two arguments`)
      : [[unquote(match[1] ?? '', variables), unquote(match[2] ?? '', variables)]];
  }
  return found.map((word) => {
    const equals = word.indexOf('=');
    const key = unquote(word.slice(0, equals), variables);
    if (equals <= 0 || key === '')
      return refuse(instruction, rest, `${JSON.stringify(word)} is not KEY=VALUE`);
    return [key, unquote(word.slice(equals + 1), variables)];
  });
}

function withPairs(
  env: readonly string[],
  pairs: readonly (readonly [key: string, value: string])[],
): readonly string[] {
  const result = new Map(env.map((line) => [line.split('=', 1)[0] ?? '', line]));
  for (const [key, value] of pairs) result.set(key, `${key}=${value}`);
  return [...result.values()];
}

/** `80`, `80/udp`, `8000-8010/tcp`. */
function portsOf(rest: string, variables: Variables): readonly string[] {
  return words('EXPOSE', rest, variables).flatMap((word) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || first > last || last > 65_535 || first === 0)
      return refuse('EXPOSE', rest, `${JSON.stringify(word)} is not a port`);
    const protocol = (match[3] ?? 'tcp').toLowerCase();
    return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol}`);
  });
}

const HEALTH_FLAGS: Readonly<Record<string, keyof HealthcheckConfig>> = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
  retries: 'Retries',
};

function healthcheckOf(rest: string): HealthcheckConfig {
  let text = needed('HEALTHCHECK', rest);
  const options: Record<string, number> = {};
  for (
    let match = /^--([a-z-]+)=(\S+)\s*/.exec(text);
    match !== null;
    match = /^--([a-z-]+)=(\S+)\s*/.exec(text)
  ) {
    const [flag, name = '', value = ''] = match;
    const field = Object.hasOwn(HEALTH_FLAGS, name) ? HEALTH_FLAGS[name] : undefined;
    if (field === undefined) return refuse('HEALTHCHECK', rest, `--${name} is not a flag of it`);
    options[field] = field === 'Retries' ? countOf(rest, value) : durationNsOf(rest, value);
    text = text.slice(flag.length);
  }
  if (/^none$/i.test(text)) return { Test: ['NONE'] };
  const match = /^cmd\s+([\s\S]+)$/i.exec(text);
  if (match === null) return refuse('HEALTHCHECK', rest, 'it must be NONE or CMD and a command');
  const list = jsonListOf(match[1] ?? '');
  return {
    Test: list === undefined ? ['CMD-SHELL', match[1] ?? ''] : ['CMD', ...list],
    ...options,
  };
}

function countOf(rest: string, value: string): number {
  return /^\d{1,6}$/.test(value)
    ? Number(value)
    : refuse('HEALTHCHECK', rest, `${JSON.stringify(value)} is not a count`);
}

const UNIT_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** `1m30s` → nanoseconds. */
function durationNsOf(rest: string, value: string): number {
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|ms|s|m|h))+$/.test(value))
    return refuse('HEALTHCHECK', rest, `${JSON.stringify(value)} is not a duration`);
  let total = 0;
  for (const [, number, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)/g))
    total += Number(number) * (UNIT_NS[unit ?? ''] ?? 0);
  return Math.round(total);
}
