/**
 * Who gives a connection its socket. `node:net` works everywhere, but its
 * modules cost a command more time than the command itself takes; where the
 * runtime has a socket of its own, a local engine is spoken to by that one
 * (docs/decisions/0060).
 */

import type { HostAddress } from '../host.ts';
import type { RawSocket } from './raw-socket.ts';
import { openRuntimeSocket } from './runtime-socket.ts';

/** Connects. Throws what the system said, with its `code`. */
export async function openSocket(address: HostAddress): Promise<RawSocket> {
  if (address.kind === 'unix') {
    const socket = await openRuntimeSocket(address.path);
    if (socket !== undefined) return socket;
  }
  const { openNodeSocket } = await import('./node-socket.ts');
  return await openNodeSocket(address);
}
