/**
 * Creating a container for `run` and `create`: what must be read or written on
 * this side, the image when it is missing, the warnings.
 */

import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { EngineError, isEngineError, messageOf } from '../../base/error.ts';
import { formatHost } from '../../client/host.ts';
import type { ContainerCreateBody } from '../../spec/docker/container.ts';
import { formatFamiliar, tryParseReference, withDefaultTag } from '../../spec/reference.ts';
import type { Context } from '../command.ts';
import { usageError } from '../flags/usage-error.ts';
import { neutraliseCell } from '../print/safe.ts';
import { buildCreateBody } from './body.ts';
import type { CreateFlags } from './flags.ts';
import { splitPair } from './key-value.ts';

/** The body of the create call for a command line, with what the configuration file adds. */
export function createBody(
  context: Context,
  flags: CreateFlags,
  { given, args }: { readonly given: ReadonlySet<string>; readonly args: readonly string[] },
): ContainerCreateBody {
  const { io } = context;
  const [image = '', ...command] = args;
  if (image === '') throw new EngineError('invalid', 'The name of the image cannot be empty');
  const readFile = (path: string): string => readText(resolve(io.cwd, path), path);
  const body = buildCreateBody({
    flags,
    given,
    image,
    command,
    env: io.env,
    cwd: io.cwd,
    readFile,
  });
  const env = withProxies(
    body.Env ?? [],
    context.config().proxyEnvironment(formatHost(context.client.address)),
  );
  const size = flags.tty ? io.stdout.size : undefined;
  return {
    ...body,
    ...(env.length === 0 ? {} : { Env: env }),
    HostConfig: {
      ...body.HostConfig,
      ...(size === undefined ? {} : { ConsoleSize: [size.rows, size.columns] }),
    },
  };
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const kind =
      error instanceof Error && 'code' in error && error.code === 'ENOENT'
        ? 'not-found'
        : 'invalid';
    const reason = kind === 'not-found' ? 'no such file' : messageOf(error);
    throw new EngineError(kind, `Cannot read ${shown}: ${reason}`, { details: { source: 'file' } });
  }
}

/** Proxies of the configuration, where the command line says nothing about them. */
function withProxies(
  env: readonly string[],
  proxies: Readonly<Record<string, string>>,
): readonly string[] {
  const names = new Set(env.map((pair) => splitPair(pair).key));
  const added = Object.entries(proxies).filter(([name]) => !names.has(name));
  return [...env, ...added.map(([name, value]) => `${name}=${value}`)];
}

/** Creates the container, pulling its image as the flags say; gives its id. Warnings go to standard error. */
export async function createContainer(
  context: Context,
  flags: CreateFlags,
  body: ContainerCreateBody,
): Promise<string> {
  const idFile =
    flags.cidfile === ''
      ? undefined
      : new IdFile(resolve(context.io.cwd, flags.cidfile), flags.cidfile);
  try {
    const { Id, Warnings } = flags['use-api-socket']
      ? await createWithSocket(context, flags, body)
      : await createWithImage(context, flags, body);
    idFile?.keep(Id);
    for (const warning of Warnings ?? [])
      await context.io.stderr.write(`WARNING: ${neutraliseCell(warning)}\n`);
    return Id;
  } catch (error) {
    idFile?.discard();
    throw error;
  }
}

interface Created {
  readonly Id: string;
  readonly Warnings: readonly string[] | null;
}

async function createWithSocket(
  context: Context,
  flags: CreateFlags,
  body: ContainerCreateBody,
): Promise<Created> {
  const { putLogins, withApiSocket } = await import('./api-socket.ts');
  const created = await createWithImage(context, flags, withApiSocket(context, body));
  try {
    await putLogins(context, created.Id);
    return created;
  } catch (error) {
    // A container without its logins is not what was asked for.
    await context.client.containers
      .remove(created.Id, { force: true, volumes: true })
      .catch(() => undefined);
    throw error;
  }
}

async function createWithImage(
  context: Context,
  flags: CreateFlags,
  body: ContainerCreateBody,
): Promise<Created> {
  const { client, io } = context;
  const image = body.Image ?? '';
  const pull = async (): Promise<string> =>
    // Loaded for a missing image only.
    (await import('../registry/pull-image.ts')).pullImage(client, context.config(), {
      reference: image,
      platform: flags.platform,
      isQuiet: flags.quiet,
      output: io.stderr,
    });
  const create = (): ReturnType<typeof client.containers.create> =>
    client.containers.create(body, {
      name: flags.name === '' ? undefined : flags.name,
      platform: flags.platform === '' ? undefined : flags.platform,
    });
  if (flags.pull === 'always') await pull();
  try {
    return await create();
  } catch (error) {
    if (flags.pull !== 'missing' || !isImageMissing(error)) throw error;
  }
  const parsed = tryParseReference(image);
  // What is no reference is not missing: the pull says what is wrong with it.
  if (!flags.quiet && parsed !== undefined) {
    const shown = formatFamiliar(withDefaultTag(parsed));
    await io.stderr.write(`Unable to find image '${shown}' locally\n`);
  }
  await pull();
  return await create();
}

function isImageMissing(error: unknown): boolean {
  return isEngineError(error) && error.kind === 'not-found' && /no such image/i.test(error.message);
}

/** The file of `--cidfile`: made before the container, so that two runs cannot share it. */
class IdFile {
  readonly #path: string;
  readonly #fd: number;

  constructor(path: string, shown: string) {
    this.#path = path;
    try {
      this.#fd = openSync(path, 'wx', 0o644);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
        throw new EngineError(
          'conflict',
          `container ID file found, make sure the other container isn't running or delete ${shown}`,
        );
      }
      // Not the system's words: `run` would read them as those of a program that is not there.
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      const reason = { ENOENT: 'there is no such directory', EACCES: 'access is denied' }[code];
      throw usageError(
        `Cannot create the container ID file ${shown}: ${reason ?? messageOf(error)}`,
      );
    }
  }

  keep(id: string): void {
    writeSync(this.#fd, id);
    closeSync(this.#fd);
  }

  discard(): void {
    closeSync(this.#fd);
    rmSync(this.#path, { force: true });
  }
}
