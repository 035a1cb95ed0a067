import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT, TOOLS } from '../tools.ts';

/** Evaluates an expression with a module of the set-up, which is plain JavaScript, and returns its JSON. */
function evaluate(module: string, expression: string): unknown {
  const script = `import * as m from ${JSON.stringify(join(ROOT, 'scripts/setup', module))};\nconsole.log(JSON.stringify(${expression}));`;
  const result = spawnSync(TOOLS.node, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  return JSON.parse(result.stdout) as unknown;
}

test('missingPackages() names what differs from the lock and leaves out what this machine cannot use', () => {
  const locked = {
    '': {},
    same: { version: '1', integrity: 'a' },
    older: { version: '2', integrity: 'b' },
    altered: { version: '1', integrity: 'c' },
    absent: { version: '1' },
    foreign: { version: '1', optional: true, cpu: ['arm64'] },
    musl: { version: '1', optional: true, libc: ['musl'] },
    ours: { version: '1', optional: true, cpu: 'x64', os: 'linux' },
  };
  const installed = {
    same: { version: '1', integrity: 'a' },
    older: { version: '1', integrity: 'b' },
    altered: { version: '1', integrity: 'x' },
  };
  const machine = { os: 'linux', cpu: 'x64', libc: 'glibc' };
  const call = `m.missingPackages(${JSON.stringify(locked)}, ${JSON.stringify(installed)}, ${JSON.stringify(machine)})`;
  assert.deepEqual(evaluate('npm.mjs', call), ['older', 'altered', 'absent', 'ours']);
});

test('admits() reads the fields of npm: a name, a list, exclusions, nothing', () => {
  const call =
    "[m.admits(undefined, 'x64'), m.admits('x64', 'x64'), m.admits(['arm64'], 'x64'), m.admits(['!x64'], 'x64'), m.admits(['!arm64'], 'x64')]";
  assert.deepEqual(evaluate('npm.mjs', call), [true, true, false, false, true]);
});

test('isStaticProgram() tells a program that needs a loader', () => {
  assert.equal(evaluate('host.mjs', "m.isStaticProgram('/bin/sh')"), false);
  assert.equal(evaluate('host.mjs', "m.isStaticProgram('/proc/self/environ')"), false);
});

test('the set-up answers an unknown task with one sentence', () => {
  const result = spawnSync(TOOLS.node, [join(ROOT, 'scripts/setup.mjs'), 'dance'], {
    encoding: 'utf8',
  });
  assert.equal(result.status, 1);
  assert.match(result.stderr, /^setup: Unknown task dance; there are start, test, .*\n$/);
});
