/** From twelve bytes to an error that says what was asked, what failed and what it means. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoName } from './errno.ts';
import type { Plan } from './op.ts';
import { decodeReport, errorOfReport, kernelFailure } from './report.ts';
import { CALLS } from './schema.ts';

const plan: Plan = [
  {
    op: 'overlay',
    slot: 0,
    lower: ['/l/1'],
    upper: '/c/upper',
    work: '/c/work',
    options: [],
    attrs: 0n,
  },
  { op: 'attach', slot: 0, path: '/proc', create: 0 },
  { op: 'clone', flags: 0n, uidMap: '', gidMap: '', denySetgroups: 0 },
  { op: 'exec', argv: ['/run.sh', '-x'], env: [], search: [], init: 0 },
];

function reportBytes(index: number, errno: number, call: (typeof CALLS)[number]): Uint8Array {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(index, 0);
  bytes.writeInt32LE(errno, 4);
  bytes.writeUInt32LE(CALLS.indexOf(call), 8);
  return bytes;
}

test('decodeReport() reads index, errno and call', () => {
  assert.deepEqual(decodeReport(reportBytes(3, 2, 'execve')), {
    index: 3,
    errno: 2,
    call: 'execve',
  });
  const unknown = Buffer.from('00000000' + '01000000' + 'ffff0000', 'hex');
  assert.equal(decodeReport(unknown).call, 'none');
});

test('errnoName() knows the numbers of Linux', () => {
  const expected = {
    1: 'EPERM',
    11: 'EAGAIN',
    35: 'EDEADLK',
    38: 'ENOSYS',
    40: 'ELOOP',
    95: 'EOPNOTSUPP',
    110: 'ETIMEDOUT',
    122: 'EDQUOT',
    133: 'EHWPOISON',
    524: 'ENOTSUPP',
  };
  for (const [errno, name] of Object.entries(expected))
    assert.equal(errnoName(Number(errno)), name);
  for (const errno of [0, 41, 58, 134, -1]) assert.equal(errnoName(errno), `errno ${errno}`);
});

test('kernelFailure() names the call with what it was about', () => {
  assert.deepEqual(kernelFailure(plan, decodeReport(reportBytes(1, 20, 'move_mount'))), {
    op: plan[1],
    index: 1,
    errno: 'ENOTDIR',
    call: 'move_mount("/proc")',
    hint: 'A directory can only be mounted on a directory, a file only on a file',
  });
  const lost = kernelFailure(plan, decodeReport(reportBytes(9, 22, 'decode')));
  assert.equal(lost.op, undefined);
  assert.equal(lost.call, 'decode()');
});

test('errors that mislead come with a hint, by operation, call and errno', () => {
  const rows: readonly (readonly [number, number, (typeof CALLS)[number], RegExp])[] = [
    [0, 40, 'fsconfig', /overlap/],
    [0, 22, 'mount', /upper directory may not serve overlayfs/],
    [1, 1, 'move_mount', /CAP_SYS_ADMIN/],
    [2, 28, 'clone3', /max_\*_namespaces/],
    [2, 10, 'waitpid', /killed while it was set up/],
    [2, 110, 'waitpid', /did not come to its program in time/],
    [3, 2, 'interpreter', /The program exists, but the interpreter/],
    [3, 2, 'execve', /no such program/],
    [3, 13, 'execve', /noexec/],
    [3, 8, 'execve', /another architecture/],
  ];
  for (const [index, errno, call, hint] of rows) {
    assert.match(
      kernelFailure(plan, decodeReport(reportBytes(index, errno, call))).hint ?? '',
      hint,
    );
  }
  assert.equal(kernelFailure(plan, decodeReport(reportBytes(1, 5, 'move_mount'))).hint, undefined);
});

test('errorOfReport() says what the user asked, then what the kernel answered', () => {
  const error = errorOfReport(
    plan,
    decodeReport(reportBytes(3, 2, 'execve')),
    'Cannot start container web',
  );
  assert.equal(error.message, 'Cannot start container web: execve("/run.sh"): ENOENT');
  assert.equal(error.kind, 'internal');
  assert.deepEqual(error.details, { index: 3, errno: 'ENOENT', call: 'execve("/run.sh")' });
  assert.equal(error.hint, 'There is no such program in the container');
  assert.equal(
    errorOfReport(plan, decodeReport(reportBytes(0, 28, 'fsconfig')), 'x').kind,
    'exhausted',
  );
});
