/**
 * The process of an exec: the container's own process with what the request
 * changes. It keeps the container's policy: capabilities, seccomp, limits.
 *
 * Source: engine-api facts 5.8; security matrix R10–R12, R27.
 */

import { EngineError } from '../../base/error.ts';
import type { ProcessIdentity } from '../../runtime/runtime.ts';
import type { ExecConfig } from '../../spec/docker/container.ts';
import type { OciProcess, ProcessUser } from '../../spec/oci/runtime.ts';
import type { Container, LiveProcess } from '../containers/container.ts';
import { capabilitySets } from '../containers/spec/capabilities.ts';
import type { ResolvedUser } from '../containers/spec/input.ts';
import { resolveUser } from '../containers/spec/resolve-user.ts';
import { USER_FILE_MAX_BYTES } from '../containers/user-files.ts';
import type { EngineParts } from '../parts.ts';

/** What is to run. */
export interface ExecWish {
  readonly config: ExecConfig;
  /** At least one. */
  readonly argv: readonly string[];
}

/** Errors: `invalid` user or directory. */
export async function execProcess(
  parts: EngineParts,
  where: { readonly container: Container; readonly live: LiveProcess },
  wish: ExecWish,
): Promise<OciProcess> {
  const { container, live } = where;
  const base = live.spec.process;
  if (base === undefined)
    throw new EngineError('internal', 'The container has no process to take after');
  const { config, argv } = wish;
  const user = await userOf(parts, live.runtime.process, config.User ?? '');
  const own = user === undefined ? base.user : toProcessUser(base.user, user);
  const bounding =
    config.Privileged === true
      ? parts.host.specHost({ withDevices: false }).capabilities
      : (base.capabilities?.bounding ?? []);
  const { consoleSize: _size, ...inherited } = base;
  return {
    ...inherited,
    ...consoleOf(config),
    user: own,
    args: argv,
    env: execEnv(container, base.env ?? [], { config, home: user?.home }),
    cwd: checkCwd(config.WorkingDir ?? '') ?? base.cwd,
    capabilities: capabilitySets(bounding, own.uid),
  };
}

function toProcessUser(base: ProcessUser, user: ResolvedUser): ProcessUser {
  return { ...base, uid: user.uid, gid: user.gid, additionalGids: user.additionalGids };
}

function consoleOf(config: ExecConfig): Pick<OciProcess, 'terminal' | 'consoleSize'> {
  const [height, width] = config.ConsoleSize ?? [];
  return {
    terminal: config.Tty === true,
    ...(height === undefined || width === undefined ? {} : { consoleSize: { height, width } }),
  };
}

/** `undefined`: the container's own user. */
async function userOf(
  parts: EngineParts,
  process: ProcessIdentity,
  text: string,
): Promise<ResolvedUser | undefined> {
  if (text === '') return undefined;
  const decoder = new TextDecoder();
  const read = async (path: string): Promise<string> => {
    const bytes = await parts.runtime.readFile(
      { kind: 'process', process },
      path,
      USER_FILE_MAX_BYTES,
    );
    return bytes === undefined ? '' : decoder.decode(bytes);
  };
  const [passwd, group] = await Promise.all([read('/etc/passwd'), read('/etc/group')]);
  return resolveUser(text, { passwd, group, groupAdd: [] });
}

/** Variables of the container, then those of the exec; TERM and HOME as the exec's console and user need them. */
function execEnv(
  container: Container,
  base: readonly string[],
  exec: { readonly config: ExecConfig; readonly home: string | undefined },
): readonly string[] {
  const asked = new Set((container.record.config.Env ?? []).map(keyOf));
  const env = new Map(base.map((entry) => [keyOf(entry), entry]));
  if (!asked.has('TERM')) env.delete('TERM');
  if (exec.config.Tty === true && !env.has('TERM')) env.set('TERM', 'TERM=xterm');
  if (exec.home !== undefined && !asked.has('HOME')) env.set('HOME', `HOME=${exec.home}`);
  for (const entry of exec.config.Env ?? []) {
    if (entry.includes('\0'))
      throw new EngineError('invalid', 'invalid environment variable: it contains a NUL character');
    if (entry.includes('=')) env.set(keyOf(entry), entry);
    else env.delete(entry);
  }
  return [...env.values()];
}

function keyOf(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}

function checkCwd(path: string): string | undefined {
  if (path === '') return undefined;
  if (path.startsWith('/') && !path.includes('\0')) return path;
  throw new EngineError('invalid', `Cwd must be an absolute path: ${JSON.stringify(path)}`);
}
