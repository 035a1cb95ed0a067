/** Counters of a container's network interfaces. Source: proc_pid_net(5), `net/dev`. */

import { readFile } from 'node:fs/promises';
import type { InterfaceUsage } from './runtime.ts';

/** Interfaces of the network namespace that `pid` is in, loopback left out; none when it is gone. */
export async function readInterfaces(pid: number): Promise<readonly InterfaceUsage[]> {
  const text = await readFile(`/proc/${pid}/net/dev`, 'utf8').catch(() => '');
  return parseInterfaces(text);
}

/** Text of `net/dev` → counters. */
export function parseInterfaces(text: string): readonly InterfaceUsage[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*([^\s:]+):\s*(.+)$/.exec(line);
    const [, name = '', rest = ''] = match ?? [];
    const counters = rest.trim().split(/\s+/);
    if (match === null || name === 'lo' || counters.length < 16) return [];
    const at = (index: number): bigint => BigInt(counters[index] ?? 0);
    return [
      {
        name,
        receivedBytes: at(0),
        receivedPackets: at(1),
        receiveErrors: at(2),
        receiveDrops: at(3),
        sentBytes: at(8),
        sentPackets: at(9),
        sendErrors: at(10),
        sendDrops: at(11),
      },
    ];
  });
}
