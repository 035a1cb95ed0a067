/**
 * The steps of an exec that the API, health probes and plans share: checks,
 * the process from the container's own policy, the run.
 *
 * Source: Engine API `ExecConfig`; engine-api facts 5.8; security matrix R27.
 */

import { EngineError } from '../../base/error.ts';
import type { ExecRequest, ExecStreams } from '../../runtime/runtime.ts';
import type { ExecConfig } from '../../spec/docker/container.ts';
import type { Container, LiveProcess } from '../containers/container.ts';
import type { EngineParts } from '../parts.ts';
import { execProcess } from './exec-process.ts';

/** A container that can take an exec now. Errors: `conflict` in Docker's words. */
export function liveForExec(container: Container): LiveProcess {
  const { phase } = container.state;
  const { id } = container;
  if (phase === 'paused')
    throw new EngineError(
      'conflict',
      `container ${id} is paused, unpause the container before exec`,
    );
  if (phase === 'restarting')
    throw new EngineError(
      'conflict',
      `container ${id} is restarting, wait until the container is running`,
    );
  if (container.live === undefined)
    throw new EngineError('conflict', `container ${id} is not running`);
  return container.live;
}

/** Errors: `invalid` without a command. */
export function execArgv(config: ExecConfig): readonly string[] {
  const { Cmd } = config;
  const argv = typeof Cmd === 'string' ? [Cmd] : (Cmd ?? []);
  if (argv.length === 0 || argv[0] === '')
    throw new EngineError('invalid', 'no exec command specified');
  if (argv.some((word) => word.includes('\0')))
    throw new EngineError('invalid', 'invalid exec command: it contains a NUL character');
  return argv;
}

/** What the runtime is asked. Errors: `invalid` user. */
export async function execRequest(
  parts: EngineParts,
  where: { readonly container: Container; readonly live: LiveProcess },
  exec: {
    readonly number: number;
    readonly config: ExecConfig;
    readonly argv: readonly string[];
    /** One client will attach at once. */
    readonly isAttached: boolean;
    /** It attaches while the process starts. */
    readonly attach?: ExecStreams;
  },
): Promise<ExecRequest> {
  const process = await execProcess(parts, where, exec);
  return {
    execNumber: exec.number,
    spec: where.live.spec,
    process,
    openStdin: exec.isAttached && exec.config.AttachStdin === true,
    expectedClients: exec.isAttached ? 1 : 0,
    ...(exec.attach === undefined ? {} : { attach: exec.attach }),
  };
}
