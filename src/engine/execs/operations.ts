/** Operations on execs. Source: Engine API `/containers/{id}/exec`, `/exec/{id}`; engine-api facts 5.8. */

import type { Duplex } from 'node:stream';
import { within } from '../../base/clock.ts';
import { EngineError, isEngineError } from '../../base/error.ts';
import { makeId } from '../../base/id.ts';
import type { ExecStreams, RunningExec } from '../../runtime/runtime.ts';
import type { ExecConfig } from '../../spec/docker/container.ts';
import type { ExecInspect } from '../../spec/docker/inspect.ts';
import { announce } from '../containers/announce.ts';
import type { Container, LiveProcess } from '../containers/container.ts';
import { lateDuplex } from '../containers/late-duplex.ts';
import type { Attachment, ConsoleSize, ExecOperations, ExplainedPlan } from '../engine.ts';
import { explainPlan } from '../explain.ts';
import type { EngineParts } from '../parts.ts';
import type { Exec } from './registry.ts';
import { execArgv, execRequest, liveForExec } from './run-exec.ts';

/** Milliseconds a resize waits for its process to be started. */
const RESIZE_WAIT_MS = 10_000;
/** Milliseconds between looks while it waits. */
const RESIZE_STEP_MS = 20;

/** How to start one. */
interface StartOptions {
  readonly detach: boolean;
  readonly tty: boolean;
  readonly consoleSize?: ConsoleSize;
  readonly signal?: AbortSignal;
}

/** The operations over `parts`. */
export function execOperations(parts: EngineParts): ExecOperations {
  return {
    create: async (ref, config) => createExec(parts, ref, config),
    start: async (id, options) => startExec(parts, id, options),
    resize: async (id, size) => resizeExec(parts, id, size),
    inspect: async (id) => inspectExec(parts.execs.get(id)),
    plan: async (ref, config) => planExec(parts, ref, config),
  };
}

function createExec(parts: EngineParts, ref: string, config: ExecConfig): { readonly id: string } {
  const container = parts.containers.get(ref);
  const argv = execArgv(config);
  liveForExec(container);
  const number = container.nextExecNumber;
  container.nextExecNumber += 1;
  const exec = parts.execs.add({
    id: makeId(parts.randomHex),
    containerId: container.id,
    runStartedAtNs: container.state.startedAtNs,
    number,
    config,
    argv,
  });
  announceExec(parts, container, { exec, action: `exec_create: ${argv.join(' ')}` });
  return { id: exec.id };
}

async function startExec(
  parts: EngineParts,
  id: string,
  options: StartOptions,
): Promise<Attachment | undefined> {
  const exec = parts.execs.get(id);
  const container = parts.containers.get(exec.containerId);
  if (exec.phase === 'running') throw new EngineError('conflict', `exec ${id} is already running`);
  if (exec.phase === 'ended') throw new EngineError('conflict', `exec ${id} has already run`);
  const live = liveForExec(container);
  if (exec.runStartedAtNs !== container.state.startedAtNs) {
    throw new EngineError(
      'conflict',
      `container ${container.id} was restarted after exec ${id} was created`,
    );
  }
  exec.phase = 'running';
  try {
    const running = await runExec(parts, { container, live, exec, options });
    return options.detach ? undefined : await attachExec(live, { exec, running, tty: options.tty });
  } catch (error) {
    const details = isEngineError(error) ? error.details : {};
    parts.execs.end(exec, typeof details['exitCode'] === 'number' ? details['exitCode'] : 126);
    throw error;
  }
}

async function runExec(
  parts: EngineParts,
  what: {
    readonly container: Container;
    readonly live: LiveProcess;
    readonly exec: Exec;
    readonly options: StartOptions;
  },
): Promise<RunningExec> {
  const { container, live, exec, options } = what;
  announceExec(parts, container, { exec, action: `exec_start: ${exec.argv.join(' ')}` });
  const size = options.consoleSize;
  const config: ExecConfig = {
    ...exec.config,
    Tty: options.tty,
    ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
  };
  const request = await execRequest(parts, what, {
    number: exec.number,
    config,
    argv: exec.argv,
    isAttached: !options.detach,
    ...(options.detach ? {} : { attach: streamsOf(exec) }),
  }).catch((error: unknown) => {
    throw asCannotInvoke(error);
  });
  const running = await live.runtime.exec(
    request,
    options.signal === undefined ? {} : { signal: options.signal },
  );
  exec.running = running;
  void running.exited.then((record) => {
    parts.execs.end(exec, record.code);
    announceExec(parts, container, { exec, action: 'exec_die', exitCode: record.code });
  });
  return running;
}

/** A process that the request cannot become, such as an unknown user's, ends as one that cannot be invoked. */
function asCannotInvoke(error: unknown): unknown {
  if (!isEngineError(error) || error.details['exitCode'] !== undefined) return error;
  const { kind, message, operation, hint, cause, details } = error;
  return new EngineError(kind, message, {
    cause,
    details: { ...details, exitCode: 126 },
    ...(operation === undefined ? {} : { operation }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Its streams; they end only when the exit code is known. */
async function attachExec(
  live: LiveProcess,
  what: { readonly exec: Exec; readonly running: RunningExec; readonly tty: boolean },
): Promise<Attachment> {
  const { exec, running, tty } = what;
  const target: Duplex = await (running.stream ??
    live.runtime.attach({ execNumber: exec.number, ...streamsOf(exec), logs: false }));
  const late = lateDuplex();
  late.connect(target, async () => running.exited);
  return { framing: tty ? 'raw' : 'multiplexed', stream: late.stream };
}

function streamsOf({ config }: Exec): ExecStreams {
  return {
    stdin: config.AttachStdin === true,
    stdout: config.AttachStdout === true,
    stderr: config.AttachStderr === true,
    lossless: true,
  };
}

async function resizeExec(parts: EngineParts, id: string, size: ConsoleSize): Promise<void> {
  const exec = parts.execs.get(id);
  const endMs = parts.clock.monotonicMs() + RESIZE_WAIT_MS;
  // Clients resize at once after starting; the process may not be there yet.
  while (exec.phase === 'created' || (exec.phase === 'running' && exec.running === undefined)) {
    if (parts.clock.monotonicMs() >= endMs)
      throw new EngineError('timeout', `exec ${id} was not started within 10 s`);
    await within(parts.clock, RESIZE_STEP_MS, new Promise<never>(() => undefined));
  }
  const container = parts.containers.get(exec.containerId);
  if (exec.phase === 'ended' || container.live === undefined) {
    throw new EngineError('conflict', `exec ${id} is not running`);
  }
  await container.live.runtime.resize(size, { execNumber: exec.number });
}

function inspectExec(exec: Exec): ExecInspect {
  const [entrypoint = '', ...rest] = exec.argv;
  const { config } = exec;
  return {
    ID: exec.id,
    Running: exec.phase === 'running',
    ExitCode: exec.exitCode ?? null,
    ProcessConfig: {
      tty: config.Tty === true,
      entrypoint,
      arguments: rest,
      privileged: config.Privileged === true,
      ...(config.User === undefined || config.User === '' ? {} : { user: config.User }),
    },
    OpenStdin: config.AttachStdin === true,
    OpenStderr: config.AttachStderr === true,
    OpenStdout: config.AttachStdout === true,
    CanRemove: exec.phase === 'ended',
    ContainerID: exec.containerId,
    DetachKeys: config.DetachKeys ?? '',
    Pid: exec.phase === 'running' ? (exec.running?.process.pid ?? 0) : 0,
  };
}

async function planExec(
  parts: EngineParts,
  ref: string,
  config: ExecConfig,
): Promise<ExplainedPlan> {
  const container = parts.containers.get(ref);
  const argv = execArgv(config);
  const live = liveForExec(container);
  const request = await execRequest(
    parts,
    { container, live },
    { number: 1, config, argv, isAttached: true },
  );
  const ops = parts.runtime.planExec(request, { id: container.id, process: live.runtime.process });
  return explainPlan(`exec in ${container.id.slice(0, 12)} (${container.name})`, ops);
}

function announceExec(
  parts: EngineParts,
  container: Container,
  what: { readonly exec: Exec; readonly action: string; readonly exitCode?: number },
): void {
  const { exec, action, exitCode } = what;
  announce(parts, container, action, {
    execID: exec.id,
    ...(exitCode === undefined ? {} : { exitCode: String(exitCode) }),
  });
}
