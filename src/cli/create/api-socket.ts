/**
 * `--use-api-socket`: a container that may use this engine with the user's
 * logins. It can then do whatever the user can; that is what the flag is for.
 *
 * Source: docker's flag of the name: the socket at /var/run/docker.sock, the
 * logins in a configuration file that DOCKER_CONFIG leads to.
 */

import { EngineError } from '../../base/error.ts';
import type { AuthConfig } from '../../client/system.ts';
import { encodeTar } from '../../layers/tar-write.ts';
import type { ContainerCreateBody } from '../../spec/docker/container.ts';
import type { Context } from '../command.ts';
import { recordOf } from '../config/config.ts';
import { findAuth } from '../registry/auth.ts';

const socketInside = '/var/run/docker.sock';
const configDirectoryInside = '/run/secrets/docker';

/** The body with the socket mounted and the way to the logins. Throws `unsupported` for an engine that is not on a unix socket. */
export function withApiSocket(context: Context, body: ContainerCreateBody): ContainerCreateBody {
  const { address } = context.client;
  if (address.kind !== 'unix') {
    throw new EngineError(
      'unsupported',
      'Cannot use --use-api-socket: the engine does not listen on a unix socket',
    );
  }
  const hostConfig = body.HostConfig ?? {};
  const mount = { Type: 'bind', Source: address.path, Target: socketInside } as const;
  return {
    ...body,
    Env: [...(body.Env ?? []), `DOCKER_CONFIG=${configDirectoryInside}`],
    HostConfig: { ...hostConfig, Mounts: [...(hostConfig.Mounts ?? []), mount] },
  };
}

/** Puts the user's logins into a container that was just created. */
export async function putLogins(context: Context, id: string): Promise<void> {
  const config = JSON.stringify({ auths: await collectLogins(context) });
  const parents = configDirectoryInside.slice(1).split('/');
  const archive = encodeTar([
    ...parents.map((_, index) => ({
      type: 'directory' as const,
      path: parents.slice(0, index + 1).join('/'),
      mode: 0o755,
    })),
    { type: 'file', path: `${parents.join('/')}/config.json`, mode: 0o600, content: config },
  ]);
  await context.client.containers.putArchive(id, '/', { archive });
}

/** Every login of the configuration, secrets fetched from the programs that keep them. */
async function collectLogins(context: Context): Promise<Readonly<Record<string, object>>> {
  const config = context.config();
  const keys = [
    ...Object.keys(recordOf(config.raw['auths'])),
    ...Object.keys(recordOf(config.raw['credHelpers'])),
  ];
  const logins: Record<string, object> = {};
  for (const key of new Set(keys)) {
    const auth = await findAuth(config, key);
    if (auth.username !== undefined || auth.identitytoken !== undefined)
      logins[key] = entryOf(auth);
  }
  return logins;
}

function entryOf({ username = '', password = '', identitytoken }: AuthConfig): object {
  const pair = Buffer.from(`${username}:${identitytoken === undefined ? password : ''}`).toString(
    'base64',
  );
  return { auth: pair, ...(identitytoken === undefined ? {} : { identitytoken }) };
}
