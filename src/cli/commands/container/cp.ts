/** `carve cp`. */

import { realpathSync, statSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { EngineError, isEngineError } from '../../../base/error.ts';
import { goFileMode, type PathStat } from '../../../spec/docker/archive.ts';
import { refuseTerminal, writeArchive } from '../../archive-output.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { extractArchive } from '../../cp/extract.ts';
import { packFiles } from '../../cp/pack.ts';
import {
  isContents,
  parseCopyArgument,
  planCopy,
  type CopyArgument,
  type CopySide,
} from '../../cp/plan-copy.ts';
import { usageError } from '../../flags/usage-error.ts';
import { openArchive } from '../../input-file.ts';
import { neutraliseCell } from '../../print/safe.ts';
import { formatSize } from '../../print/units.ts';

/** Copies files between a container, running or not, and this machine. */
export const cpCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER:SOURCE TARGET|- | SOURCE|- CONTAINER:TARGET',
    details:
      'SOURCE/. means the contents of a directory. With - a tar archive goes to standard output or comes from standard input.',
    flags: {
      archive: { kind: 'bool', short: 'a', help: 'Keep the owners of the files' },
      'follow-link': {
        kind: 'bool',
        short: 'L',
        help: 'Copy what a link SOURCE leads to, not the link',
      },
      quiet: { kind: 'bool', short: 'q', help: 'Say nothing when it is done' },
    },
    args: { min: 2, max: 2, completes: 'container' },
    examples: ['carve cp web:/var/log/nginx ./logs', 'carve cp ./site/. web:/srv'],
  },
  async (context, { flags, args }) => {
    const [source, target] = args.map(parseCopyArgument);
    if (source === undefined || target === undefined) return;
    const options: CopyOptions = {
      keepsOwner: flags.archive,
      followsLink: flags['follow-link'],
      isQuiet: flags.quiet,
    };
    if ((source.container === undefined) === (target.container === undefined)) {
      throw usageError('one of SOURCE and TARGET is in a container: write it as CONTAINER:PATH');
    }
    if (source.container === undefined)
      await copyIn(context, { source: source.path, target }, options);
    else await copyOut(context, { source, target: target.path }, options);
  },
);

interface CopyOptions {
  readonly keepsOwner: boolean;
  readonly followsLink: boolean;
  readonly isQuiet: boolean;
}

async function copyOut(
  context: Context,
  { source, target }: { readonly source: CopyArgument; readonly target: string },
  options: CopyOptions,
): Promise<void> {
  const { client, io } = context;
  const ref = source.container ?? '';
  if (target === '-') refuseTerminal(io, '');
  const path = options.followsLink ? await followLink(context, ref, source.path) : source.path;
  const { stat, archive } = await client.containers.getArchive(ref, path);
  if (target === '-') {
    await writeArchive(io, '', archive);
    return;
  }
  const from: CopySide = { path: source.path, kind: kindOf(stat) };
  const plan = planCopy(from, localSide(resolve(io.cwd, target), target));
  const bytes = await extractArchive(archive, {
    plan,
    keepsOwner: options.keepsOwner,
    onSkipped: (name, what) => warn(context, name, what),
  });
  await tell(context, options, `Copied ${formatSize(bytes)} to ${target}`);
}

async function copyIn(
  context: Context,
  { source, target }: { readonly source: string; readonly target: CopyArgument },
  options: CopyOptions,
): Promise<void> {
  const { client, io } = context;
  const ref = target.container ?? '';
  const to = await containerSide(context, ref, target.path);
  if (source === '-') {
    if (to.kind !== 'directory')
      throw new EngineError(
        'invalid',
        `Cannot unpack an archive at ${ref}:${target.path}: it is not a directory`,
      );
    await client.containers.putArchive(ref, to.path, {
      archive: await openArchive(io, '-'),
      copyOwner: options.keepsOwner,
    });
    return;
  }
  const real = localSource(resolve(io.cwd, source), source, options.followsLink);
  const named = isContents(source) ? source : resolve(io.cwd, source);
  const plan = planCopy({ path: named, kind: real.kind }, to);
  let contentBytes = 0;
  const archive = packFiles({
    path: real.path,
    name: plan.name,
    onContent: (bytes) => {
      contentBytes += bytes;
    },
    onSkipped: (name, what) => warn(context, name, what),
  });
  await client.containers.putArchive(ref, plan.directory, {
    archive,
    copyOwner: options.keepsOwner,
  });
  await tell(context, options, `Copied ${formatSize(contentBytes)} to ${ref}:${target.path}`);
}

function kindOf({ mode }: PathStat): 'directory' | 'other' {
  return hasBit(mode, goFileMode.directory) ? 'directory' : 'other';
}

/** Bits above 2^31 do not fit JavaScript's operators. */
function hasBit(mode: number, bit: number): boolean {
  return Math.trunc(mode / bit) % 2 === 1;
}

/** What a path in the container is; a link at its end is followed. */
async function containerSide(context: Context, ref: string, path: string): Promise<CopySide> {
  try {
    const target = await followLink(context, ref, path);
    return { path: target, kind: kindOf(await context.client.containers.statPath(ref, target)) };
  } catch (error) {
    const isPathMissing =
      isEngineError(error) &&
      error.kind === 'not-found' &&
      !/no such container/i.test(error.message);
    if (!isPathMissing) throw error;
    return { path, kind: undefined };
  }
}

async function followLink({ client }: Context, ref: string, path: string): Promise<string> {
  const stat = await client.containers.statPath(ref, path);
  if (!hasBit(stat.mode, goFileMode.symlink) || stat.linkTarget === '') return path;
  return posix.resolve('/', posix.dirname(path), stat.linkTarget);
}

function localSide(path: string, shown: string): CopySide {
  const stat = statSync(path, { throwIfNoEntry: false });
  // A slash at the end says that it is to be a directory.
  const kept = /\/\.?$/.test(shown) ? `${path}/` : path;
  return {
    path: kept,
    kind: stat === undefined ? undefined : stat.isDirectory() ? 'directory' : 'other',
  };
}

function localSource(
  path: string,
  shown: string,
  followsLink: boolean,
): CopySide & { readonly kind: 'directory' | 'other' } {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new EngineError('not-found', `Cannot copy ${shown}: there is no such file or directory`);
  const real = followsLink || /\/\.?$/.test(shown) ? realpathSync(path) : path;
  return { path: real, kind: stat.isDirectory() ? 'directory' : 'other' };
}

async function warn({ io }: Context, name: string, what: string): Promise<void> {
  await io.stderr.write(`Not copied: ${neutraliseCell(name)} is ${what}\n`);
}

async function tell({ io }: Context, { isQuiet }: CopyOptions, text: string): Promise<void> {
  if (!isQuiet) await io.stderr.write(`${neutraliseCell(text)}\n`);
}
