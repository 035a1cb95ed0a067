/**
 * The table and the programs by which a host's TCP connect() to a published
 * port goes to the container at once, as operations of a keeper. Pure.
 *
 * Source: docs/decisions/0057-connecting-to-the-container.md.
 */

import {
  BPF_CGROUP_CONNECT,
  BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
  CONNECT_ENTRY_BYTES,
  connectEntry,
  connectProgram,
} from '../../kernel/bpf/connect-program.ts';
import { encodeEbpf } from '../../kernel/bpf/device-program.ts';
import { O } from '../../kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../kernel/plan/op.ts';
import { type EndpointPort, isDirect } from '../endpoint.ts';
import { FAMILIES } from '../packet.ts';
import { isLoopback } from '../way.ts';

/** Every port of one address. */
const ENTRIES_MAX = 65_536;
/** Ports of one plan; a plan has at most 4096 operations. */
const PORTS_MAX = 1024;
/** Slots of the keeper. */
const SLOT = {
  cgroup: 0,
  ipv4: { map: 1, program: 2, link: 3 },
  ipv6: { map: 4, program: 5, link: 6 },
} as const;
const NONE = new Uint8Array(0);

/**
 * A connect() to it can be led. Only to a loopback address: by the others the container would no longer
 * see the address that its client has.
 */
export function isLed(port: EndpointPort): boolean {
  const { protocol, host, target } = port;
  if (protocol !== 'tcp' || host.family !== target.family || isDirect(port)) return false;
  return host.value === 0n || isLoopback(host);
}

/** Ask for the network namespace's cookie: `u32 errno, u32 length`, 8 bytes. */
export const ASK_COOKIE: readonly PlanOp[] = [{ op: 'netns-cookie' }];

/** The cookie of the answer; `undefined`: the kernel tells none. */
export function decodeCookie(answer: Uint8Array): bigint | undefined {
  const view = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength);
  return view.readUInt32LE(0) === 0 ? view.readBigUInt64LE(8) : undefined;
}

/** Make the tables, and have every connect() below `cgroup` (a directory of cgroup v2) ask them. */
export function planHook(cgroup: string, cookie: bigint): readonly PlanOp[] {
  return [
    { op: 'open', slot: SLOT.cgroup, path: cgroup, flags: Number(O.O_DIRECTORY) },
    ...FAMILIES.flatMap((family): PlanOp[] => {
      const { map, program, link } = SLOT[family];
      const bytes = CONNECT_ENTRY_BYTES[family];
      const attach = BPF_CGROUP_CONNECT[family];
      return [
        { op: 'bpf-map', slot: map, keyBytes: bytes, valueBytes: bytes, entries: ENTRIES_MAX },
        {
          op: 'bpf-load',
          slot: program,
          map,
          program: encodeEbpf(connectProgram(family, cookie)),
          type: BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
          attach,
        },
        { op: 'bpf-link', slot: link, program, target: SLOT.cgroup, attach },
        { op: 'close', slot: program },
      ];
    }),
    { op: 'close', slot: SLOT.cgroup },
  ];
}

/** Lead to these from now on, by as many plans as it takes. Precondition: {@link planHook} was run. */
export function planLead(ports: readonly EndpointPort[]): readonly Plan[] {
  return planSet(ports, ({ target, targetPort }) => connectEntry(target, targetPort));
}

/** No longer; they need not be led to now. */
export function planLeadNoMore(ports: readonly EndpointPort[]): readonly Plan[] {
  return planSet(ports, () => NONE);
}

function planSet(
  ports: readonly EndpointPort[],
  valueOf: (port: EndpointPort) => Uint8Array,
): readonly Plan[] {
  const slots = 2 ** SLOT.ipv4.map + 2 ** SLOT.ipv6.map;
  const sets = ports.map((port): PlanOp => {
    const { map } = SLOT[port.host.family];
    return {
      op: 'bpf-set',
      map,
      key: connectEntry(port.host, port.hostPort),
      value: valueOf(port),
    };
  });
  return Array.from({ length: Math.ceil(sets.length / PORTS_MAX) }, (_, index) => [
    { op: 'kept', slots },
    ...sets.slice(index * PORTS_MAX, (index + 1) * PORTS_MAX),
  ]);
}
