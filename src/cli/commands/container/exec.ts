/** `carve exec`. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { EngineError, messageOf } from '../../../base/error.ts';
import type { ExecConfig } from '../../../spec/docker/container.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { readEnvironment } from '../../create/environment.ts';
import { planFlags, wantedPlan } from '../../flags/plan.ts';
import { usageError } from '../../flags/usage-error.ts';
import type { FlagTable, FlagValues } from '../../flags/table.ts';
import { formatPlan } from '../../print/plan.ts';
import { farewellToExec } from '../../session/foreground.ts';
import { checkTerminal, detachKeysOf } from '../../session/options.ts';
import { resizeWithRetry } from '../../session/resize.ts';
import { joinStreams } from '../../session/streams.ts';
import { watchSize } from '../../session/terminal.ts';

const execFlags = {
  detach: { kind: 'bool', short: 'd', help: 'Run in the background' },
  'detach-keys': {
    kind: 'string',
    help: 'Keys that leave the command running; ctrl-p,ctrl-q unless set',
  },
  env: { kind: 'list', short: 'e', help: 'Set an environment variable as NAME=VALUE' },
  'env-file': { kind: 'list', help: 'Read environment variables from a file', completes: 'file' },
  interactive: { kind: 'bool', short: 'i', help: 'Keep standard input open' },
  privileged: { kind: 'bool', help: 'Give the command everything root on this machine may do' },
  tty: { kind: 'bool', short: 't', help: 'Give the command a terminal' },
  user: {
    kind: 'string',
    short: 'u',
    help: 'Run as this user, NAME or UID, with an optional :GROUP',
  },
  workdir: { kind: 'string', short: 'w', help: 'Start in this directory' },
  ...planFlags,
} as const satisfies FlagTable;

type ExecFlags = FlagValues<typeof execFlags>;

/** Runs a command in a running container; its exit code is the command's. */
export const execCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER COMMAND [ARG...]',
    flags: execFlags,
    args: { min: 2, completes: 'running-container' },
    isInterspersed: false,
    examples: ['carve exec -it web sh', 'carve exec -u root -w /etc web cat passwd'],
  },
  async (context, { flags, given, args }) => {
    const [ref = '', ...command] = args;
    const { client, io } = context;
    const plan = wantedPlan(flags, given);
    const detachKeys = detachKeysOf(context, flags['detach-keys']);
    const config = execConfig(context, flags, { command, detachKeys });
    if (plan !== undefined) {
      await io.stdout.write(formatPlan(await client.execs.plan(ref, config), plan));
      return 0;
    }
    if (!flags.detach) checkTerminal(io, { tty: flags.tty, stdin: flags.interactive });
    const { Id } = await client.execs.create(ref, config);
    if (flags.detach) {
      await client.execs.startDetached(Id, { tty: flags.tty });
      return 0;
    }
    return await follow(context, flags, { id: Id, name: ref, detachKeys });
  },
);

function execConfig(
  { io }: Context,
  flags: ExecFlags,
  {
    command,
    detachKeys,
  }: { readonly command: readonly string[]; readonly detachKeys: string | undefined },
): ExecConfig {
  const readFile = (path: string): string => {
    try {
      return readFileSync(resolve(io.cwd, path), 'utf8');
    } catch (error) {
      throw usageError(`Cannot read ${path}: ${messageOf(error)}`);
    }
  };
  const env = readEnvironment({
    files: flags['env-file'],
    pairs: flags.env,
    env: io.env,
    readFile,
  });
  const size = flags.tty ? io.stdout.size : undefined;
  return {
    Cmd: command,
    AttachStdout: !flags.detach,
    AttachStderr: !flags.detach,
    AttachStdin: !flags.detach && flags.interactive,
    Tty: flags.tty,
    Privileged: flags.privileged,
    ...(flags.user === '' ? {} : { User: flags.user }),
    ...(flags.workdir === '' ? {} : { WorkingDir: flags.workdir }),
    ...(env.length === 0 ? {} : { Env: env }),
    ...(detachKeys === undefined ? {} : { DetachKeys: detachKeys }),
    ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
  };
}

interface StartedExec {
  readonly id: string;
  readonly name: string;
  readonly detachKeys: string | undefined;
}

async function follow(
  { client, io }: Context,
  flags: ExecFlags,
  exec: StartedExec,
): Promise<number> {
  const stream = await client.execs.start(exec.id, {
    tty: flags.tty,
    consoleSize: flags.tty ? io.stdout.size : undefined,
  });
  const session = joinStreams(stream, io, {
    tty: flags.tty,
    stdin: flags.interactive,
    detachKeys: exec.detachKeys,
  });
  const stopWatching = flags.tty
    ? watchSize(
        io,
        (size) => void resizeWithRetry((next) => client.execs.resize(exec.id, next), size),
      )
    : undefined;
  try {
    if ((await session.ended) === 'detached') {
      await io.stderr.write(farewellToExec(exec.name));
      return 0;
    }
  } finally {
    stopWatching?.();
    session.close();
  }
  const { ExitCode, Running } = await client.execs.inspect(exec.id);
  if (ExitCode === null || Running) {
    throw new EngineError('internal', 'The command goes on, but the engine ended its output');
  }
  return ExitCode;
}
