import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressBytes, parseAddress, type Family } from '../../spec/cidr.ts';
import { CONNECT_ENTRY_BYTES, connectEntry, connectProgram } from './connect-program.ts';
import { EBPF, encodeEbpf, type EbpfInstruction } from './device-program.ts';

const COOKIE = 0xfedc_ba98_7654_3210n;
const [TCP, UDP] = [6, 17];
/** Pointers of the interpreter: what is at each is a part of one memory. */
const AT = { context: 0, socket: 256, stackTop: 512, values: 1024 } as const;

interface Call {
  readonly to: readonly [address: string, port: number];
  readonly protocol?: number;
  readonly cookie?: bigint;
  /** What the socket is bound to: a link's number, or an address. */
  readonly bound?: number | string;
}

type Table = Readonly<Record<string, readonly [address: string, port: number]>>;

function entryOf([address, port]: readonly [string, number]): Uint8Array {
  return connectEntry(parseAddress(address), port);
}

/** Where a call ends up, as the kernel would run the program; any instruction it does not know is a failure. */
function connect(family: Family, table: Table, call: Call): string {
  const bytes = CONNECT_ENTRY_BYTES[family];
  const memory = Buffer.alloc(2048);
  const address = family === 'ipv4' ? 4 : 8;
  const asked = entryOf(call.to);
  memory.set(asked.subarray(0, bytes - 4), address);
  memory.set(asked.subarray(bytes - 4), 24);
  memory.writeUInt32LE(call.protocol ?? TCP, 36);
  memory.writeBigUInt64LE(BigInt(AT.socket), 64);
  const { bound = 0 } = call;
  if (typeof bound === 'number') memory.writeUInt32LE(bound, AT.socket);
  else memory.set(addressBytes(parseAddress(bound)), AT.socket + (family === 'ipv4' ? 24 : 28));
  const entries = new Map(
    Object.entries(table).map(([key, to]) => {
      const [, host = '', port = ''] = /^(.*) (\d+)$/.exec(key) ?? [];
      return [Buffer.from(entryOf([host, Number(port)])).toString('hex'), entryOf(to)];
    }),
  );
  const result = interpret(connectProgram(family, COOKIE), memory, {
    cookie: call.cookie ?? COOKIE,
    find: (key) => entries.get(key.subarray(0, bytes).toString('hex')),
  });
  assert.equal(result, 1n, 'a call was refused');
  const end = Buffer.concat([
    memory.subarray(address, address + bytes - 4),
    memory.subarray(24, 28),
  ]);
  return end.toString('hex');
}

interface World {
  readonly cookie: bigint;
  find(key: Buffer): Uint8Array | undefined;
}

function interpret(program: readonly EbpfInstruction[], memory: Buffer, world: World): bigint {
  const registers = Array.from({ length: 11 }, () => 0n);
  registers[1] = BigInt(AT.context);
  registers[10] = BigInt(AT.stackTop);
  for (let at = 0; at < program.length; at += 1) {
    const { code, dst, src, offset, imm } = program[at]!;
    const [value, source] = [registers[dst]!, registers[src]!];
    const wide = BigInt.asUintN(64, BigInt(imm));
    if (code === EBPF.EXIT) return registers[0]!;
    if (code === EBPF.LDX_W) registers[dst] = BigInt(memory.readUInt32LE(Number(source) + offset));
    else if (code === EBPF.LDX_DW) registers[dst] = memory.readBigUInt64LE(Number(source) + offset);
    else if (code === EBPF.STX_W)
      memory.writeUInt32LE(Number(BigInt.asUintN(32, source)), Number(value) + offset);
    else if (code === EBPF.MOV64_X) registers[dst] = source;
    else if (code === EBPF.MOV64_K) registers[dst] = wide;
    else if (code === EBPF.ADD64_K) registers[dst] = BigInt.asUintN(64, value + wide);
    else if (code === EBPF.AND32_K) registers[dst] = BigInt.asUintN(32, value & wide);
    else if (code === EBPF.LD_IMM64) {
      at += 1;
      const high = BigInt.asUintN(32, BigInt(program[at]!.imm));
      registers[dst] = (high << 32n) | BigInt.asUintN(32, wide);
    } else if (code === EBPF.CALL) {
      registers[0] = helper(imm, registers, memory, world);
      for (const clobbered of [1, 2, 3, 4, 5]) registers[clobbered] = 0xdeadn;
    } else if (isTaken(code, { value, source, imm: wide })) at += offset;
  }
  throw new Error('ran past the end');
}

function helper(
  number: number,
  registers: readonly bigint[],
  memory: Buffer,
  world: World,
): bigint {
  if (number === 122) return world.cookie;
  assert.equal(number, 1, 'no such helper');
  const found = world.find(memory.subarray(Number(registers[2])));
  if (found === undefined) return 0n;
  memory.set(found, AT.values);
  return BigInt(AT.values);
}

function isTaken(
  code: number,
  { value, source, imm }: { readonly value: bigint; readonly source: bigint; readonly imm: bigint },
): boolean {
  if (code === EBPF.JNE32_K) return BigInt.asUintN(32, value) !== BigInt.asUintN(32, imm);
  if (code === EBPF.JEQ64_K) return value === imm;
  if (code === EBPF.JNE64_K) return value !== imm;
  assert.equal(code, EBPF.JNE64_X, `no such instruction: ${code}`);
  return value !== source;
}

function hex(address: string, port: number): string {
  return Buffer.from(entryOf([address, port])).toString('hex');
}

const TABLE4: Table = {
  '0.0.0.0 8080': ['172.18.0.2', 80],
  '127.0.0.5 8081': ['172.18.0.3', 81],
  '127.0.0.6 65535': ['172.18.0.4', 65534],
  '192.0.2.1 8082': ['172.18.0.4', 8],
};
const TABLE6: Table = { ':: 8080': ['fd00::2', 80], '::1 8081': ['fd00::4', 82] };

for (const [name, family, table, to, expected] of [
  ['any address, asked at loopback', 'ipv4', TABLE4, ['127.0.0.1', 8080], ['172.18.0.2', 80]],
  ['all of 127.0.0.0/8 is loopback', 'ipv4', TABLE4, ['127.9.9.9', 8080], ['172.18.0.2', 80]],
  ['an address of its own', 'ipv4', TABLE4, ['127.0.0.5', 8081], ['172.18.0.3', 81]],
  ['not another address', 'ipv4', TABLE4, ['127.0.0.6', 8081], ['127.0.0.6', 8081]],
  ['the highest port', 'ipv4', TABLE4, ['127.0.0.6', 65535], ['172.18.0.4', 65534]],
  ['no address but loopback', 'ipv4', TABLE4, ['192.0.2.1', 8082], ['192.0.2.1', 8082]],
  ['any address is not the whole world', 'ipv4', TABLE4, ['192.0.2.7', 8080], ['192.0.2.7', 8080]],
  ['another port', 'ipv4', TABLE4, ['127.0.0.1', 8079], ['127.0.0.1', 8079]],
  ['::1', 'ipv6', TABLE6, ['::1', 8080], ['fd00::2', 80]],
  ['::1 of its own', 'ipv6', TABLE6, ['::1', 8081], ['fd00::4', 82]],
  ['another IPv6 address', 'ipv6', TABLE6, ['2001:db8::2', 8080], ['2001:db8::2', 8080]],
  ['like ::1 at the end', 'ipv6', TABLE6, ['fd00::1', 8080], ['fd00::1', 8080]],
  ['an empty table', 'ipv4', {}, ['127.0.0.1', 8080], ['127.0.0.1', 8080]],
] as const satisfies readonly (readonly [
  string,
  Family,
  Table,
  readonly [string, number],
  readonly [string, number],
])[]) {
  test(`connect(): ${name}`, () => {
    assert.equal(connect(family, table, { to }), hex(expected[0], expected[1]));
  });
}

test('connect(): only TCP, and only of the one network namespace', () => {
  const to = ['127.0.0.1', 8080] as const;
  assert.equal(connect('ipv4', TABLE4, { to, protocol: UDP }), hex(...to));
  assert.equal(connect('ipv4', TABLE4, { to, cookie: COOKIE + 1n }), hex(...to));
  assert.equal(connect('ipv4', TABLE4, { to, cookie: COOKIE & 0xffff_ffffn }), hex(...to));
});

test('connect(): a socket that is bound to an address or a link is left alone', () => {
  for (const bound of [1, '127.0.0.1', '192.0.2.1']) {
    const to = ['127.0.0.1', 8080] as const;
    assert.equal(connect('ipv4', TABLE4, { to, bound }), hex(...to), String(bound));
  }
  for (const bound of [1, '::1', 'fe80::', '0:0:1::', '0:0:0:0:1::', '2001:db8::1']) {
    const to = ['::1', 8080] as const;
    assert.equal(connect('ipv6', TABLE6, { to, bound }), hex(...to), String(bound));
  }
});

test('an entry is as the kernel has it in a context', () => {
  assert.equal(hex('127.0.0.1', 0x1f90), '7f0000011f900000');
  assert.equal(hex('::1', 80), `${'00'.repeat(15)}0100500000`);
  assert.equal(encodeEbpf(connectProgram('ipv4', COOKIE)).length % 8, 0);
});
