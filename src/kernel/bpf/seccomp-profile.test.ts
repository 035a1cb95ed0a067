import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { parseSeccompProfile, resolveProfile } from './seccomp-profile.ts';

const FACTS = {
  machine: 'x86_64',
  capabilities: new Set(['CAP_SYS_ADMIN', 'CAP_CHOWN']),
  kernel: { major: 5, minor: 11 },
} as const;

function names(rules: readonly object[]): readonly string[] {
  const text = JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: rules });
  return (resolveProfile(parseSeccompProfile(text), FACTS).syscalls ?? []).flatMap((r) => r.names);
}

test('rules of a profile are in when their conditions hold', () => {
  const action = 'SCMP_ACT_ALLOW';
  assert.deepEqual(
    names([
      { names: ['a'], action },
      { names: ['b'], action, includes: { caps: ['CAP_SYS_ADMIN'] } },
      { names: ['c'], action, includes: { caps: ['CAP_SYS_ADMIN', 'CAP_BPF'] } },
      { names: ['d'], action, excludes: { caps: ['CAP_BPF', 'CAP_CHOWN'] } },
      { names: ['e'], action, excludes: { caps: ['CAP_BPF'] } },
      { names: ['f'], action, includes: { arches: ['amd64', 'x32'] } },
      { names: ['g'], action, includes: { arches: ['arm64'] } },
      { names: ['h'], action, excludes: { arches: ['amd64'] } },
      { names: ['i'], action, includes: { minKernel: '4.8' } },
      { names: ['j'], action, includes: { minKernel: '5.11' } },
      { names: ['k'], action, includes: { minKernel: '5.12' } },
      { names: ['l'], action, excludes: { minKernel: '5.0' } },
      { name: 'm', action, includes: {}, excludes: {} },
      { name: '', names: ['n'], action, includes: { minKernel: '' }, comment: 'x', args: null },
    ]),
    ['a', 'b', 'e', 'f', 'i', 'j', 'm', 'n'],
  );
});

test('the architecture map gives the machine its own group', () => {
  const profile = parseSeccompProfile(
    JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      archMap: [
        { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
        { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
      ],
    }),
  );
  assert.deepEqual(resolveProfile(profile, FACTS).architectures, [
    'SCMP_ARCH_X86_64',
    'SCMP_ARCH_X86',
    'SCMP_ARCH_X32',
  ]);
  assert.deepEqual(resolveProfile(profile, { ...FACTS, machine: 'aarch64' }).architectures, [
    'SCMP_ARCH_AARCH64',
    'SCMP_ARCH_ARM',
  ]);
});

test('numbers above 2^53 keep every bit', () => {
  const profile = parseSeccompProfile(
    '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG",' +
      '"args":[{"index":0,"value":18446744073709551615,"valueTwo":0,"op":"SCMP_CMP_EQ"}]}]}',
  );
  assert.equal(profile.syscalls?.[0]?.args?.[0]?.value, 18446744073709551615n);
});

test('a bad profile is refused with one sentence', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['', /it is empty/],
    [' \n', /it is empty/],
    ['/etc/passwd', /it is not JSON/],
    ['[]', /the profile is not an object/],
    ['{}', /defaultAction is not a string/],
    ['{"defaultAction":"ALLOW"}', /defaultAction is not one of SCMP_ACT_KILL/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', /syscalls is not a list/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[1],"action":"SCMP_ACT_LOG"}]}',
      /syscalls\[0\]\.names\[0\] is not a string/,
    ],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"]}]}', /syscalls\[0\]\.action/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","architectures":["x86"]}', /architectures\[0\]/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","flags":["TSYNC"]}', /flags\[0\]/],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","architectures":[],"archMap":[]}',
      /both 'architectures' and 'archMap'/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["b"],"action":"SCMP_ACT_LOG"}]}',
      /both 'name' and 'names'/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[],"action":"SCMP_ACT_LOG"}]}',
      /names no system call/,
    ],
    [
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["read"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"five"}}]}',
      /minKernel 'five'/,
    ],
  ];
  for (const [text, message] of rows) {
    assert.throws(
      () => resolveProfile(parseSeccompProfile(text), FACTS),
      (error: unknown) =>
        isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
      text,
    );
  }
});
