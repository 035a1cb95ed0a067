/**
 * The eBPF programs that lead a TCP connect() of one network namespace to
 * another address, before there is a packet (BPF_PROG_TYPE_CGROUP_SOCK_ADDR).
 *
 * A hash table says what leads where. Its keys and values have one form:
 * address and port as in `connectEntry`. Only calls to a loopback address are
 * looked up: by that address first, then by the unspecified one. A socket that
 * is bound to an address or a link chose its way: from ::1, say, there is none
 * to a container.
 *
 * **Invariant:** the programs refuse nothing: whatever is not in the table goes
 * where it was going.
 *
 * Source: Linux `linux/bpf.h` (`struct bpf_sock_addr`, `struct bpf_sock`, BPF_FUNC_*); bpf-helpers(7).
 */

import { addressBytes, type Address, type Family } from '../../spec/cidr.ts';
import { EBPF, type EbpfInstruction } from './device-program.ts';

/** Kinds of program and places to attach them, as the kernel numbers them. */
export const BPF_PROG_TYPE_CGROUP_SOCK_ADDR = 18;
/** By family. */
export const BPF_CGROUP_CONNECT = { ipv4: 10, ipv6: 11 } as const satisfies Record<Family, number>;

/** Bytes of a key, and of a value. */
export const CONNECT_ENTRY_BYTES = { ipv4: 8, ipv6: 20 } as const satisfies Record<Family, number>;

const ADDRESS_WORDS = { ipv4: 1, ipv6: 4 } as const satisfies Record<Family, number>;
const IPPROTO_TCP = 6;
/** Where a context (`struct bpf_sock_addr`) has what. */
const CONTEXT = { address: { ipv4: 4, ipv6: 8 }, port: 24, protocol: 36, socket: 64 } as const;
/** Where its socket (`struct bpf_sock`) has what. */
const SOCKET = { link: 0, source: { ipv4: 24, ipv6: 28 } } as const;
const HELPER = { lookup: 1, netnsCookie: 122 } as const;
/** First byte of the loopback addresses of IPv4. */
const LOOPBACK4_BYTE = 127;
/** The last word of ::1, as a little-endian machine reads it. */
const LOOPBACK6_WORD = 0x0100_0000;

const [RESULT, FIRST, SECOND, SCRATCH, SELF, STACK] = [0, 1, 2, 3, 6, 10];

/** An end as the table has it: the address, and the port behind it, both as in a packet. */
export function connectEntry(address: Address, port: number): Uint8Array {
  const bytes = Buffer.alloc(CONNECT_ENTRY_BYTES[address.family]);
  bytes.set(addressBytes(address));
  bytes.writeUInt16BE(port, bytes.length - 4);
  return bytes;
}

/** The program of one family. `netnsCookie`: of the network namespace whose sockets it is about. */
export function connectProgram(family: Family, netnsCookie: bigint): readonly EbpfInstruction[] {
  const key = -CONNECT_ENTRY_BYTES[family];
  const words = ADDRESS_WORDS[family];
  const at = CONTEXT.address[family];
  const body: Step[] = [
    op(EBPF.MOV64_X, { dst: SELF, src: FIRST }),
    op(EBPF.LDX_W, { dst: SECOND, src: SELF, offset: CONTEXT.protocol }),
    unless(SECOND, IPPROTO_TCP),
    ...isLoopback(family),
    ...isUnbound(family),
    op(EBPF.CALL, { imm: HELPER.netnsCookie }),
    ...wide(FIRST, netnsCookie),
    { ...op(EBPF.JNE64_X, { dst: RESULT, src: FIRST }), isExit: true },
    ...each(words).flatMap((word) => move([SELF, at + 4 * word], [STACK, key + 4 * word])),
    ...move([SELF, CONTEXT.port], [STACK, -4]),
    ...lookup(key),
  ];
  const found: Step[] = [
    ...each(words).flatMap((word) => move([RESULT, 4 * word], [SELF, at + 4 * word])),
    ...move([RESULT, 4 * words], [SELF, CONTEXT.port]),
  ];
  const again: Step[] = [
    op(EBPF.MOV64_K, { dst: SECOND }),
    ...each(words).map((word) =>
      op(EBPF.STX_W, { dst: STACK, src: SECOND, offset: key + 4 * word }),
    ),
    ...lookup(key),
    { ...op(EBPF.JEQ64_K, { dst: RESULT }), isExit: true },
  ];
  const past = op(EBPF.JNE64_K, { dst: RESULT, offset: again.length });
  return ended([...body, past, ...again, ...found]);
}

/** An instruction; `isExit`: it jumps to the end of the program. */
interface Step extends EbpfInstruction {
  readonly isExit?: true;
}

function op(code: number, fields: Partial<EbpfInstruction> = {}): EbpfInstruction {
  return { code, dst: 0, src: 0, offset: 0, imm: 0, ...fields };
}

/** Go on only if the register is `imm`. */
function unless(dst: number, imm: number): Step {
  return { ...op(EBPF.JNE32_K, { dst, imm }), isExit: true };
}

function each(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** A place in memory. */
type Place = readonly [register: number, offset: number];

/** One word from memory to memory. */
function move([from, fromAt]: Place, [to, toAt]: Place): readonly Step[] {
  return [
    op(EBPF.LDX_W, { dst: SCRATCH, src: from, offset: fromAt }),
    op(EBPF.STX_W, { dst: to, src: SCRATCH, offset: toAt }),
  ];
}

/** The value of the key on the stack, or 0, in {@link RESULT}. */
function lookup(key: number): readonly Step[] {
  return [
    op(EBPF.LD_IMM64, { dst: FIRST, src: 1 }),
    op(0),
    op(EBPF.MOV64_X, { dst: SECOND, src: STACK }),
    op(EBPF.ADD64_K, { dst: SECOND, imm: key }),
    op(EBPF.CALL, { imm: HELPER.lookup }),
  ];
}

/** Go on only if the address of the call is one of loopback. */
function isLoopback(family: Family): readonly Step[] {
  const word = (index: number): Step =>
    op(EBPF.LDX_W, { dst: SECOND, src: SELF, offset: CONTEXT.address[family] + 4 * index });
  if (family === 'ipv4')
    return [word(0), op(EBPF.AND32_K, { dst: SECOND, imm: 0xff }), unless(SECOND, LOOPBACK4_BYTE)];
  return each(4).flatMap((index) => [
    word(index),
    unless(SECOND, index === 3 ? LOOPBACK6_WORD : 0),
  ]);
}

/** Go on only if the socket is bound to no link and no address. */
function isUnbound(family: Family): readonly Step[] {
  const source = each(ADDRESS_WORDS[family]).map((word) => SOCKET.source[family] + 4 * word);
  return [
    op(EBPF.LDX_DW, { dst: SECOND, src: SELF, offset: CONTEXT.socket }),
    ...[SOCKET.link, ...source].flatMap((offset) => [
      op(EBPF.LDX_W, { dst: SCRATCH, src: SECOND, offset }),
      unless(SCRATCH, 0),
    ]),
  ];
}

/** A constant of 64 bits: two instructions. */
function wide(dst: number, value: bigint): readonly Step[] {
  const [low, high] = [value, value >> 32n].map((part) => Number(BigInt.asIntN(32, part)));
  return [op(EBPF.LD_IMM64, { dst, imm: low ?? 0 }), op(0, { imm: high ?? 0 })];
}

/** With its end, to which every exit jumps. */
function ended(steps: readonly Step[]): readonly EbpfInstruction[] {
  return [
    ...steps.map(({ isExit, ...step }, index) =>
      isExit === true ? { ...step, offset: steps.length - index - 1 } : step,
    ),
    op(EBPF.MOV64_K, { dst: RESULT, imm: 1 }),
    op(EBPF.EXIT),
  ];
}
