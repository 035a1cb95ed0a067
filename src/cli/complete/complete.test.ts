import { test } from 'node:test';
import assert from 'node:assert/strict';
import { rootEntry } from '../commands/index.ts';
import { complete, type FindNames } from './complete.ts';

const names: Readonly<Record<string, readonly string[]>> = {
  container: ['web', 'worker', 'db'],
  'running-container': ['web'],
  image: ['debian', 'nginx', 'ghcr.io/a/b:1'],
  network: ['host', 'none'],
};
const findNames: FindNames = (kind) => Promise.resolve(names[kind] ?? []);

async function words(line: string): Promise<readonly string[]> {
  const { candidates, files } = await complete(rootEntry, line.split(' '), findNames);
  return files === 'none'
    ? candidates.map(({ word }) => word)
    : [`(${files})`, ...candidates.map(({ word }) => word)];
}

const lines: readonly (readonly [string, readonly string[]])[] = [
  ['ru', ['run']],
  ['re', ['rename', 'restart']],
  ['container ren', ['rename']],
  ['image boot', ['bootstrap']],
  ['--h', ['--help', '--host']],
  ['run --pu', ['--publish', '--publish-all', '--pull']],
  ['run --pull ', ['always', 'missing', 'never']],
  ['run --pull n', ['never']],
  ['run --pull=n', ['--pull=never']],
  ['run -it --rm n', ['nginx']],
  ['run -it ghcr', ['ghcr.io/a/b:1']],
  ['run --net h', []],
  ['run --network h', ['host']],
  ['run -v ', ['(directories)']],
  ['run --env-file ', ['(files)']],
  ['run --name ', []],
  ['run -itv ', ['(directories)']],
  ['run -e A=1 -p 80:80 d', ['debian']],
  ['run debian --', ['(files)']],
  ['run -- d', ['debian']],
  ['exec -it w', ['web']],
  ['exec web ', ['(files)']],
  ['start w', ['web', 'worker']],
  ['stop -t 5 ', ['web']],
  ['stop -s T', ['TERM']],
  ['rm web d', ['db']],
  ['attach web d', []],
  ['load -i ', ['(files)']],
  ['images de', ['debian']],
  ['nosuch ', []],
  ['-H unix:///x ru', ['run']],
  ['--config ', ['(directories)']],
  ['__com', []],
];

for (const [line, expected] of lines) {
  test(`complete() offers what fits: carve ${line}|`, async () => {
    assert.deepEqual(await words(line), expected);
  });
}

test('complete() offers every command with its help where nothing is typed', async () => {
  const { candidates } = await complete(rootEntry, [''], findNames);
  assert.ok(candidates.length > 40);
  assert.ok(candidates.every(({ help }) => help !== ''));
  assert.ok(!candidates.some(({ word }) => word.startsWith('__')));
});
