/** Flags of `carve daemon`, pure. */

import { parseArgs } from 'node:util';
import { EngineError, messageOf } from '../../base/error.ts';

/** Where the daemon keeps things and where it listens. */
export interface DaemonFlags {
  readonly root: string;
  readonly run: string;
  readonly hosts: readonly DaemonHost[];
  readonly logLevel: LogLevel;
  /** File with what is known of registries. */
  readonly registries: string;
  /** File that says which images may be pulled. */
  readonly policy: string;
  /** File that says which images are removed by themselves. */
  readonly gc: string;
  /** Rules may be added to the tables of iptables. */
  readonly hasIptables: boolean;
  /** The host's connections may be led to containers by BPF programs. */
  readonly hasConnectHook: boolean;
  readonly isHelp: boolean;
}

/** One address to listen on. */
export type DaemonHost =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** Least important message that is written. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Default of `--root`. */
export const DEFAULT_ROOT = '/var/lib/carve';
/** Default of `--run`. */
export const DEFAULT_RUN = '/run/carve';

/** Default of `--registries`. */
export const DEFAULT_REGISTRIES = '/etc/carve/registries.json';
/** Default of `--policy`. */
export const DEFAULT_POLICY = '/etc/carve/policy.json';

/** Default of `--gc`. */
export const DEFAULT_GC = '/etc/carve/gc.json';

/** What `carve daemon --help` prints. */
export const DAEMON_HELP = `Usage: carve daemon [--root DIR] [--run DIR] [--host ADDRESS]... [--log-level LEVEL]
                    [--registries FILE] [--policy FILE] [--gc FILE] [--iptables BOOL]
                    [--connect-hook BOOL]

Runs the engine in the foreground. Containers live on when it ends.

  --root DIR         keeps images, containers and volumes (default ${DEFAULT_ROOT})
  --run DIR          keeps sockets; may vanish with the boot (default ${DEFAULT_RUN})
  --host ADDRESS     unix://PATH or tcp://127.0.0.1:PORT, any number of times
                     (default unix://RUN/carve.sock)
  --log-level LEVEL  debug, info, warn or error (default info)
  --registries FILE  mirrors, certificates and blocks of registries
                     (default ${DEFAULT_REGISTRIES}, which may be absent)
  --policy FILE      which images may be pulled, and signed by whom
                     (default ${DEFAULT_POLICY}, which may be absent)
  --gc FILE          which images are removed by themselves, and when
                     (default ${DEFAULT_GC}; without it none is)
  --iptables BOOL    beside a Docker that drops what the host passes on, add a
                     chain to iptables that lets carve's networks pass
                     (default true; carve's own rules do not depend on it)
  --connect-hook BOOL  lead connections of the host's programs to published
                     ports at 127.0.0.1 and ::1 straight to the container, by
                     BPF programs that go with the daemon (default true;
                     without them the same ports are reached, more slowly)
`;

const LEVELS: ReadonlySet<string> = new Set(['debug', 'info', 'warn', 'error']);

/** Errors: `invalid` with one sentence. */
export function daemonFlags(argv: readonly string[]): DaemonFlags {
  const { values } = parse(argv);
  const level = values['log-level'] ?? 'info';
  if (!isLevel(level)) {
    throw new EngineError(
      'invalid',
      `Unknown log level ${JSON.stringify(level)}: expected debug, info, warn or error`,
    );
  }
  const run = absolute('--run', values.run ?? DEFAULT_RUN);
  return {
    root: absolute('--root', values.root ?? DEFAULT_ROOT),
    run,
    hosts: (values.host ?? [`unix://${run}/carve.sock`]).map(parseHost),
    logLevel: level,
    registries: absolute('--registries', values.registries ?? DEFAULT_REGISTRIES),
    policy: absolute('--policy', values.policy ?? DEFAULT_POLICY),
    gc: absolute('--gc', values.gc ?? DEFAULT_GC),
    hasIptables: parseBoolean('--iptables', values.iptables ?? 'true'),
    hasConnectHook: parseBoolean('--connect-hook', values['connect-hook'] ?? 'true'),
    isHelp: values.help === true,
  };
}

function parse(argv: readonly string[]): {
  readonly values: {
    readonly root?: string;
    readonly run?: string;
    readonly host?: string[];
    readonly 'log-level'?: string;
    readonly registries?: string;
    readonly policy?: string;
    readonly gc?: string;
    readonly iptables?: string;
    readonly 'connect-hook'?: string;
    readonly help?: boolean;
  };
} {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        root: { type: 'string' },
        run: { type: 'string' },
        host: { type: 'string', multiple: true, short: 'H' },
        'log-level': { type: 'string' },
        registries: { type: 'string' },
        policy: { type: 'string' },
        gc: { type: 'string' },
        iptables: { type: 'string' },
        'connect-hook': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new EngineError('invalid', messageOf(error), { hint: "See 'carve daemon --help'" });
  }
}

function isLevel(text: string): text is LogLevel {
  return LEVELS.has(text);
}

/** Go's spellings, as Docker takes them. Source: Go strconv.ParseBool. */
function parseBoolean(flag: string, text: string): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new EngineError('invalid', `${flag} ${JSON.stringify(text)} is neither true nor false`);
}

function absolute(flag: string, path: string): string {
  if (path.startsWith('/')) return path.length > 1 ? path.replace(/\/+$/, '') : path;
  throw new EngineError('invalid', `${flag} ${JSON.stringify(path)} is not an absolute path`);
}

function parseHost(text: string): DaemonHost {
  if (text.startsWith('unix:///')) return { kind: 'unix', path: text.slice('unix://'.length) };
  const tcp = /^tcp:\/\/(\[[0-9a-fA-F:]+\]|[^:/[\]]+):(\d{1,5})$/.exec(text);
  const [, host = '', port = ''] = tcp ?? [];
  if (tcp !== null && Number(port) <= 65535) {
    return { kind: 'tcp', host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
  }
  throw new EngineError(
    'invalid',
    `Cannot listen on ${JSON.stringify(text)}: expected unix:///PATH or tcp://HOST:PORT`,
  );
}
