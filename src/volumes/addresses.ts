/**
 * What the mount programs of NFS and CIFS add to the options, since the kernel's
 * own clients know no names: the server's address, and what the type `nfs4` means.
 *
 * Source: nfs(5), mount.cifs(8); Docker's driver `local` looks names up too.
 */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { EngineError, messageOf } from '../base/error.ts';
import type { VolumeMount } from './driver-options.ts';

const CIFS: ReadonlySet<string> = new Set(['cifs', 'smb3']);
/** Milliseconds that a name server may take: who starts a container waits. */
const LOOKUP_MS = 15_000;

/** The mount with every name of a server looked up; unchanged where there is none. Errors: `unavailable`. */
export async function resolveAddresses(mount: VolumeMount): Promise<VolumeMount> {
  const { type, device } = mount;
  const isNfs = type === 'nfs' || type === 'nfs4';
  if (!isNfs && !CIFS.has(type)) return mount;
  const options = withVersion(mount);
  const hasAddress = options.some((word) => word.startsWith('addr=') || word.startsWith('ip='));
  if (hasAddress) return { ...mount, options: await Promise.all(options.map(resolveWord)) };
  const host = CIFS.has(type)
    ? /^\/\/([^/]+)\//.exec(device)?.[1]
    : /^\[?([^/\]]+)\]?:/.exec(device)?.[1];
  if (host === undefined || host === '') return { ...mount, options };
  const key = CIFS.has(type) ? 'ip' : 'addr';
  return { ...mount, options: [...options, `${key}=${await addressOf(host)}`] };
}

async function resolveWord(word: string): Promise<string> {
  const [, key, host] = /^(addr|ip)=(.+)$/.exec(word) ?? [];
  return key === undefined || host === undefined ? word : `${key}=${await addressOf(host)}`;
}

/** The kernel takes version 3 where none is said, also for a type that is named after another. */
function withVersion({ type, options }: VolumeMount): readonly string[] {
  const isSaid = options.some((word) => /^(?:(?:nfs)?vers=|v[234])/.test(word));
  return type === 'nfs4' && !isSaid ? [...options, 'vers=4'] : options;
}

async function addressOf(host: string): Promise<string> {
  if (isIP(host) !== 0) return host;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error('no answer')), LOOKUP_MS);
  try {
    const { address } = await Promise.race([lookup(host), late.promise]);
    return address;
  } catch (cause) {
    throw new EngineError(
      'unavailable',
      `the address of its server ${host} is not known: ${messageOf(cause)}`,
      { cause },
    );
  } finally {
    clearTimeout(timer);
  }
}
