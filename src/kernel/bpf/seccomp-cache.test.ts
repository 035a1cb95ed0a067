import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinuxSeccomp } from '../../spec/oci/seccomp.ts';
import { seccompCompiler } from './seccomp-cache.ts';

function section(value: number | bigint): LinuxSeccomp {
  return {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [
      { names: ['kill'], action: 'SCMP_ACT_ERRNO', args: [{ index: 1, op: 'SCMP_CMP_EQ', value }] },
    ],
  };
}

test('equal sections are compiled once, others anew', () => {
  const compile = seccompCompiler('x86_64');
  const first = compile(section(9));
  assert.equal(compile(section(9)), first);
  assert.notEqual(compile(section(10)), first);
  assert.notEqual(compile(section(2n ** 63n)), compile(section(2n ** 62n)));
});

test('old programs are forgotten', () => {
  const compile = seccompCompiler('x86_64');
  const first = compile(section(0));
  for (let value = 1; value <= 70; value++) compile(section(value));
  assert.notEqual(compile(section(0)), first);
  assert.deepEqual(compile(section(0)), first);
});
