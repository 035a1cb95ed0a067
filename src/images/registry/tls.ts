/**
 * Authorities and client certificates of a registry, from the paths the
 * operator named and from Docker's per-registry folders.
 *
 * Source: Docker's `/etc/docker/certs.d/HOST/{*.crt,*.cert,*.key}`.
 */

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EngineError, messageOf } from '../../base/error.ts';
import type { RegistrySettings } from './config.ts';
import type { TlsSettings } from './transport.ts';

/** Folders that hold one folder for each registry host. */
export const CERTIFICATE_FOLDERS: readonly string[] = ['/etc/carve/certs.d', '/etc/docker/certs.d'];

async function readPem(path: string, host: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new EngineError(
      'invalid',
      `Cannot use registry ${host}: ${path} cannot be read (${messageOf(error)})`,
      {
        operation: 'registry.tls',
        cause: error,
      },
    );
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).toSorted();
  } catch {
    // Most registries have no folder.
    return [];
  }
}

/** TLS settings of the registry `host` (as in references). Errors: `invalid` for a named file that cannot be read. */
export async function readTlsSettings(
  host: string,
  settings: RegistrySettings,
  folders: readonly string[] = CERTIFICATE_FOLDERS,
): Promise<TlsSettings> {
  const authorities: string[] = [];
  let { clientCertificate, clientKey } = settings;
  if (settings.ca !== undefined) authorities.push(await readPem(settings.ca, host));
  for (const folder of folders.map((parent) => join(parent, host))) {
    for (const name of await namesIn(folder)) {
      if (name.endsWith('.crt')) authorities.push(await readPem(join(folder, name), host));
      if (name.endsWith('.cert')) {
        clientCertificate ??= join(folder, name);
        clientKey ??= join(folder, name.replace(/\.cert$/, '.key'));
      }
    }
  }
  return {
    isVerified: !settings.insecure,
    ...(authorities.length === 0 ? {} : { ca: authorities.join('\n') }),
    ...(clientCertificate === undefined
      ? {}
      : { certificate: await readPem(clientCertificate, host) }),
    ...(clientKey === undefined ? {} : { key: await readPem(clientKey, host) }),
  };
}
