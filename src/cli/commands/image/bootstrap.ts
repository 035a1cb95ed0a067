/** `carve image bootstrap`. */

import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../../base/error.ts';
import {
  familiarRepository,
  formatFamiliar,
  parseReference,
  withDefaultTag,
} from '../../../spec/reference.ts';
import { imageChanges, mmdebstrapWords } from '../../bootstrap/command-line.ts';
import {
  defaultMirror,
  findHostSource,
  parseBootstrap,
  parseDeb822,
  parseSourcesList,
  type AptSource,
  type Bootstrap,
  type HostRelease,
} from '../../bootstrap/distribution.ts';
import { defineCommand, type Command, type Context } from '../../command.ts';
import { collectProgress } from '../../print/progress.ts';
import { neutraliseCell } from '../../print/safe.ts';
import { spawnPiped, type PipedProgram } from '../../spawn.ts';

/** Makes a base image from a distribution's own archive, without a registry. */
export const bootstrapCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] DISTRIBUTION[:SUITE]',
    details:
      'The files come from the distribution’s own package archive, checked by its signatures, through the program mmdebstrap. With SOURCE_DATE_EPOCH set the same packages give the same files, byte by byte.',
    flags: {
      include: { kind: 'list', help: 'Install this package too; several with commas' },
      mirror: {
        kind: 'string',
        help: 'Take packages from this archive; that of this machine unless set',
      },
      tag: { kind: 'string', short: 't', help: 'Name the image; DISTRIBUTION:SUITE unless set' },
      quiet: { kind: 'bool', short: 'q', help: 'Print only the id' },
    },
    args: { min: 1, max: 1 },
    examples: [
      'carve image bootstrap debian',
      'carve image bootstrap --include python3,curl -t py debian:bookworm',
    ],
  },
  async (context, { flags, args }) => {
    const { io } = context;
    const host = hostSource();
    const [text = ''] = args;
    const wanted = parseBootstrap(text, flags.tag, host);
    const isHostDistribution = wanted.name === host?.name;
    const mirror =
      flags.mirror === ''
        ? ((isHostDistribution ? host.source?.mirror : undefined) ?? defaultMirror(wanted.name))
        : flags.mirror;
    const words = mmdebstrapWords({
      suite: wanted.suite,
      mirror,
      include: flags.include.flatMap((list) => list.split(',')).filter((name) => name !== ''),
      isRoot: io.isRoot,
    });
    requireProgram(words[0], io.env);
    if (!flags.quiet)
      await io.stderr.write(
        `Making ${wanted.name} ${wanted.suite} from ${neutraliseCell(mirror)}\n`,
      );
    const id = await make(context, wanted, { words, isQuiet: flags.quiet });
    await io.stdout.write(
      `${flags.quiet ? id : `${formatFamiliar(withDefaultTag(parseReference(wanted.reference)))} ${id}`}\n`,
    );
  },
);

/** Lines of mmdebstrap that say how far it is. */
const stepLine = /^I: (?:running apt|downloading|extracting|installing|cleaning|creating)/;

async function make(
  { client, io }: Context,
  wanted: Bootstrap,
  { words, isQuiet }: { readonly words: readonly [string, ...string[]]; readonly isQuiet: boolean },
): Promise<string> {
  const lastLines: string[] = [];
  const program = await spawnPiped(words, {
    env: { ...io.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' },
    onErrorLine: (line) => {
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
      if (!isQuiet && stepLine.test(line))
        void io.stderr.write(`${neutraliseCell(line.slice(3))}\n`);
    },
  });
  const abort = new AbortController();
  const undo = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) =>
    io.onSignal(name, () => {
      program.kill('SIGTERM');
      abort.abort(new EngineError('cancelled', 'Interrupted'));
    }),
  );
  try {
    const reference = parseReference(wanted.reference);
    const texts = await collectProgress(
      client.images.import({
        source: { archive: wholeArchive(program, lastLines) },
        repository: familiarRepository(reference),
        tag: reference.tag ?? 'latest',
        message: `Made from the archive of ${wanted.name} ${wanted.suite}`,
        changes: imageChanges(wanted.name, wanted.suite),
        signal: abort.signal,
      }),
    );
    return texts.at(-1) ?? '';
  } finally {
    for (const step of undo) step();
    program.kill('SIGTERM');
    await program.exited;
  }
}

/** The archive, which is whole only when the program ended well: else the upload breaks off and no image is made. */
async function* wholeArchive(
  program: PipedProgram,
  lastLines: readonly string[],
): AsyncGenerator<Uint8Array, void, void> {
  yield* program.output;
  const code = await program.exited;
  if (code === 0) return;
  const reason = failureReason(lastLines);
  throw new EngineError(
    'unavailable',
    `mmdebstrap failed with code ${String(code)}${reason === '' ? '' : `: ${reason}`}`,
  );
}

/** The first error that says something: those after it tell that something failed. */
function failureReason(lines: readonly string[]): string {
  const errors = lines.filter((line) => line.startsWith('E: ')).map((line) => line.slice(3));
  return (
    errors.find((line) => !/^(?:mmdebstrap|apt-get|.* failed)\b/.test(line)) ??
    errors[0] ??
    lines.at(-1) ??
    ''
  );
}

function requireProgram(name: string, env: Readonly<Record<string, string | undefined>>): void {
  const isThere = (env['PATH'] ?? '').split(':').some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  if (isThere) return;
  throw new EngineError('not-found', `Cannot make an image: the program ${name} is missing`, {
    hint: `Install it: apt-get install ${name}`,
  });
}

interface Host extends HostRelease {
  readonly source: AptSource | undefined;
}

/** What this machine runs and where its packages come from. Source: os-release(5), sources.list(5). */
function hostSource(): Host | undefined {
  const release = readOr('/etc/os-release');
  const value = (key: string): string =>
    new RegExp(`^${key}="?([^"\\n]*)"?$`, 'm').exec(release)?.[1] ?? '';
  const [name, codename] = [value('ID'), value('VERSION_CODENAME')];
  if (name === '' || codename === '') return undefined;
  const directory = '/etc/apt/sources.list.d';
  const files = listOr(directory).map((file) => join(directory, file));
  const sources = [
    ...parseSourcesList(readOr('/etc/apt/sources.list')),
    ...files
      .filter((file) => file.endsWith('.list'))
      .flatMap((file) => parseSourcesList(readOr(file))),
    ...files
      .filter((file) => file.endsWith('.sources'))
      .flatMap((file) => parseDeb822(readOr(file))),
  ];
  return { name, codename, source: findHostSource(sources, codename) };
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function listOr(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
