/**
 * Names of servers in mount options → addresses: the kernel's own NFS and CIFS
 * clients know no names.
 *
 * Source: nfs(5), mount.cifs(8); Docker's driver `local` does the same.
 */

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { VolumeMount } from './driver-options.ts';

const CIFS: ReadonlySet<string> = new Set(['cifs', 'smb3']);

/** The mount with every name of a server looked up; unchanged where there is none. Errors: those of the lookup. */
export async function resolveAddresses(mount: VolumeMount): Promise<VolumeMount> {
  const { type, options, device } = mount;
  const isNfs = type === 'nfs' || type === 'nfs4';
  if (!isNfs && !CIFS.has(type)) return mount;
  const hasAddress = options.some((word) => word.startsWith('addr=') || word.startsWith('ip='));
  if (hasAddress) return { ...mount, options: await Promise.all(options.map(resolveWord)) };
  const host = CIFS.has(type)
    ? /^\/\/([^/]+)\//.exec(device)?.[1]
    : /^\[?([^/\]]+)\]?:/.exec(device)?.[1];
  if (host === undefined || host === '') return mount;
  const key = CIFS.has(type) ? 'ip' : 'addr';
  return { ...mount, options: [...options, `${key}=${await addressOf(host)}`] };
}

async function resolveWord(word: string): Promise<string> {
  const [, key, host] = /^(addr|ip)=(.+)$/.exec(word) ?? [];
  return key === undefined || host === undefined ? word : `${key}=${await addressOf(host)}`;
}

async function addressOf(host: string): Promise<string> {
  return isIP(host) === 0 ? (await lookup(host)).address : host;
}
