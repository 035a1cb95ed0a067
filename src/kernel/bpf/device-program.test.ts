import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LinuxDeviceRule } from '../../spec/oci/resources.ts';
import type { EbpfInstruction } from './device-program.ts';
import {
  accessBits,
  DEVICE_ACCESS,
  DEVICE_TYPE,
  deviceProgram,
  EBPF,
  encodeEbpf,
} from './device-program.ts';

interface Request {
  readonly type: 'b' | 'c';
  readonly major: number;
  readonly minor: number;
  readonly access: string;
}

/** Result of an operation on a register; jumps are below. */
const COMPUTE: Readonly<Record<number, (value: number, source: number, imm: number) => number>> = {
  [EBPF.MOV32_X]: (_, source) => source,
  [EBPF.MOV64_K]: (_value, _source, imm) => imm,
  [EBPF.AND32_K]: (value, _, imm) => (value & imm) >>> 0,
  [EBPF.RSH32_K]: (value, _, imm) => value >>> imm,
};
/** Whether a jump is taken. */
const JUMP: Readonly<Record<number, (value: number, imm: number) => boolean>> = {
  [EBPF.JNE32_K]: (value, imm) => value !== imm >>> 0,
  [EBPF.JSET32_K]: (value, imm) => (value & imm) !== 0,
  [EBPF.JA]: () => true,
};

/** Runs a program as the kernel would; any operation or register it does not know is a failure. */
function run(program: readonly EbpfInstruction[], request: Request): boolean {
  const context = [
    DEVICE_TYPE[request.type] | (accessBits(request.access) << 16),
    request.major,
    request.minor,
  ];
  const registers = Array.from({ length: 11 }, () => 0);
  for (let at = 0; ; at++) {
    const each = program[at];
    assert.ok(each !== undefined, `ran past the end at ${at}`);
    if (each.code === EBPF.EXIT) return registers[0] === 1;
    const value = registers[each.dst]!;
    const jump = JUMP[each.code];
    if (jump !== undefined) {
      if (jump(value, each.imm)) at += each.offset;
    } else if (each.code === EBPF.LDX_W) {
      assert.equal(each.src, 1);
      registers[each.dst] = context[each.offset / 4]!;
    } else {
      registers[each.dst] = COMPUTE[each.code]!(value, registers[each.src]!, each.imm);
    }
  }
}

/** The meaning, right by right: the last rule that matches decides. */
function meaning(rules: readonly LinuxDeviceRule[], request: Request): boolean {
  return Array.from(request.access).every((letter) => {
    const last = rules.findLast(
      (rule) =>
        (rule.type === undefined || rule.type === 'a' || rule.type === request.type) &&
        (rule.major === undefined || rule.major === request.major) &&
        (rule.minor === undefined || rule.minor === request.minor) &&
        (rule.access === undefined || rule.access.includes(letter)),
    );
    return last?.allow ?? false;
  });
}

const access = fc.subarray(['r', 'w', 'm'], { minLength: 1 }).map((letters) => letters.join(''));
const number = fc.constantFrom(0, 1, 3, 136, 4095, 0xfffff);
const rule = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom('a' as const, 'b' as const, 'c' as const),
    major: number,
    minor: number,
    access,
  },
  { requiredKeys: ['allow'] },
);
const request = fc.record({
  type: fc.constantFrom('b' as const, 'c' as const),
  major: number,
  minor: number,
  access,
});

test('the device program gives what the rules give, right by right', () => {
  fc.assert(
    fc.property(
      fc.array(rule, { maxLength: 12 }),
      fc.array(request, { minLength: 30, maxLength: 30 }),
      (rules, list) => {
        const program = deviceProgram(rules);
        for (const each of list) {
          assert.equal(run(program, each), meaning(rules, each), JSON.stringify(each));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('no rules refuse every device', () => {
  assert.equal(run(deviceProgram([]), { type: 'c', major: 1, minor: 3, access: 'r' }), false);
});

test('an instruction is eight bytes, registers in one', () => {
  assert.equal(DEVICE_ACCESS.w, 4);
  const bytes = encodeEbpf([{ code: 0x61, dst: 2, src: 1, offset: 4, imm: -1 }]);
  assert.deepEqual([...bytes], [0x61, 0x12, 4, 0, 0xff, 0xff, 0xff, 0xff]);
});
