import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isEngineError } from '../../base/error.ts';
import type { LinuxSeccomp, SeccompArgument, SeccompSyscall } from '../../spec/oci/seccomp.ts';
import { compileSeccomp } from './compile-seccomp.ts';
import { evaluateSeccomp } from './evaluate-seccomp.ts';
import { decodeFilter } from './instruction.ts';
import { interpretFilter } from './interpret.ts';
import type { Machine } from './syscalls.ts';
import { ABIS, abisOf, syscallNumbers, X32_BIT } from './syscalls.ts';

const NAMES = [
  'read',
  'write',
  'socket',
  'clone',
  'clone3',
  'personality',
  'ioctl',
  'prctl',
  'kill',
  'mmap',
  'futex',
  'execve',
  'rt_sigaction',
  'vm86',
  'openat',
  'close_range',
  'no_such_call',
];
const EDGES = [
  0n,
  1n,
  38n,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0x100000026n,
  0x7e020000n,
  2n ** 63n,
  2n ** 64n - 1n,
];

const wide = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt(0n, 2n ** 64n - 1n));
const argument: fc.Arbitrary<SeccompArgument> = fc.record({
  index: fc.integer({ min: 0, max: 5 }),
  value: wide,
  valueTwo: wide,
  op: fc.constantFrom(
    'SCMP_CMP_NE',
    'SCMP_CMP_LT',
    'SCMP_CMP_LE',
    'SCMP_CMP_EQ',
    'SCMP_CMP_GE',
    'SCMP_CMP_GT',
    'SCMP_CMP_MASKED_EQ',
  ),
});
const rule: fc.Arbitrary<SeccompSyscall> = fc.record({
  names: fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 6 }),
  action: fc.constantFrom('SCMP_ACT_ALLOW', 'SCMP_ACT_ERRNO', 'SCMP_ACT_TRAP', 'SCMP_ACT_LOG'),
  args: fc.array(argument, { maxLength: 4 }),
});
const section: fc.Arbitrary<LinuxSeccomp> = fc.record({
  defaultAction: fc.constantFrom('SCMP_ACT_ERRNO', 'SCMP_ACT_ALLOW', 'SCMP_ACT_KILL_PROCESS'),
  architectures: fc.subarray([
    'SCMP_ARCH_X86',
    'SCMP_ARCH_X32',
    'SCMP_ARCH_X86_64',
    'SCMP_ARCH_ARM',
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_S390X',
  ] as const),
  syscalls: fc.array(rule, { maxLength: 12 }),
});

function numbersOf(machine: Machine): fc.Arbitrary<{ readonly nr: number; readonly arch: number }> {
  return fc.constantFrom(...abisOf(machine), abisOf('x86_64')[0]!).chain((abi) =>
    fc
      .oneof(
        fc.constantFrom(...NAMES.map((name) => syscallNumbers(abi).get(name) ?? 0)),
        fc.integer({ min: 0, max: 600 }),
        fc.integer({ min: 0, max: 0xffffffff }),
      )
      .map((nr) => ({
        nr: abi === 'x32' ? (nr | X32_BIT) >>> 0 : nr,
        arch: ABIS[abi].auditArch,
      })),
  );
}

for (const machine of ['x86_64', 'aarch64'] as const) {
  test(`the compiled program says what the section says on ${machine}`, () => {
    const args = fc.array(wide, { minLength: 6, maxLength: 6 });
    const calls = fc.array(fc.tuple(numbersOf(machine), args), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(section, calls, (each, list) => {
        const { program } = compileSeccomp(each, machine);
        for (const [call, values] of list) {
          const data = { ...call, args: values };
          assert.equal(
            interpretFilter(program, data) >>> 0,
            evaluateSeccomp(each, machine, data) >>> 0,
            `nr ${call.nr} arch ${call.arch.toString(16)} args ${values.join()}`,
          );
        }
      }),
      { numRuns: 400 },
    );
  });
}

test('every jump of a large program lands inside it', () => {
  const names = [...syscallNumbers('x86_64').keys()];
  const syscalls = names.map(
    (name, index): SeccompSyscall => ({
      names: [name],
      action: 'SCMP_ACT_ERRNO',
      errnoRet: index,
      args: [{ index: index % 6, op: 'SCMP_CMP_GT', value: 2n ** 40n + BigInt(index) }],
    }),
  );
  const each: LinuxSeccomp = {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X32'],
    syscalls,
  };
  const { program, filter } = compileSeccomp(each, 'x86_64');
  assert.ok(program.length > 1000);
  assert.deepEqual(decodeFilter(filter), program);
  for (const [at, { jt, jf }] of program.entries()) {
    assert.ok(jt <= 255 && jf <= 255 && at + Math.max(jt, jf) < program.length);
  }
  for (const nr of syscallNumbers('x86_64').values()) {
    for (const value of [0n, 2n ** 40n + 5n, 2n ** 64n - 1n]) {
      const data = {
        nr,
        arch: ABIS.x86_64.auditArch,
        args: Array.from({ length: 6 }, () => value),
      };
      assert.equal(interpretFilter(program, data), evaluateSeccomp(each, 'x86_64', data));
    }
  }
});

test('conditions on different arguments are joined, on the same argument they are alternatives', () => {
  const compile = (args: readonly SeccompArgument[]): ((a: bigint, b: bigint) => boolean) => {
    const { program } = compileSeccomp(
      {
        defaultAction: 'SCMP_ACT_ERRNO',
        syscalls: [{ names: ['mmap'], action: 'SCMP_ACT_ALLOW', args }],
      },
      'x86_64',
    );
    return (a, b) =>
      interpretFilter(program, { nr: 9, arch: ABIS.x86_64.auditArch, args: [a, b] }) === 0x7fff0000;
  };
  const both = compile([
    { index: 0, op: 'SCMP_CMP_EQ', value: 1 },
    { index: 1, op: 'SCMP_CMP_EQ', value: 2 },
  ]);
  assert.deepEqual([both(1n, 2n), both(1n, 0n), both(0n, 2n)], [true, false, false]);
  const either = compile([
    { index: 0, op: 'SCMP_CMP_EQ', value: 1 },
    { index: 0, op: 'SCMP_CMP_EQ', value: 2 },
  ]);
  assert.deepEqual([either(1n, 0n), either(2n, 0n), either(3n, 0n)], [true, true, false]);
});

test('a bad section is refused with one sentence', () => {
  const rows: readonly (readonly [object, RegExp])[] = [
    [{ defaultAction: 'SCMP_ACT_NO' }, /unknown action SCMP_ACT_NO/],
    [{ defaultAction: 'SCMP_ACT_ALLOW', defaultErrnoRet: 1 }, /takes no errno/],
    [{ defaultAction: 'SCMP_ACT_ERRNO', defaultErrnoRet: 70000 }, /errno 70000/],
    [{ defaultAction: 'SCMP_ACT_ALLOW', flags: ['X'] }, /unknown flag X/],
    [
      { defaultAction: 'SCMP_ACT_ALLOW', syscalls: [{ names: [], action: 'SCMP_ACT_LOG' }] },
      /names no/,
    ],
    [
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [
          {
            names: ['read'],
            action: 'SCMP_ACT_LOG',
            args: [{ index: 6, value: 0, op: 'SCMP_CMP_EQ' }],
          },
        ],
      },
      /argument 6/,
    ],
  ];
  for (const [bad, message] of rows) {
    assert.throws(
      () => compileSeccomp(bad as LinuxSeccomp, 'x86_64'),
      (error: unknown) =>
        isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
  }
});
