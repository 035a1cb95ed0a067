import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folderOf, functionOf, type Profile, selfTimes } from './cpu-profile.ts';

const frame = (
  functionName: string,
  url: string,
  lineNumber: number,
): Profile['nodes'][number]['callFrame'] => ({
  functionName,
  url,
  lineNumber,
});

const PROFILE: Profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)', '', -1) },
    { id: 2, callFrame: frame('start', 'file:///x/src/engine/containers/start.ts', 9) },
    { id: 3, callFrame: frame('', 'file:///x/src/engine/containers/create.ts', 0) },
    { id: 4, callFrame: frame('open', 'node:fs', 0) },
  ],
  samples: [1, 2, 3, 2, 4],
  timeDeltas: [9000, 1000, 500, 2000, 250],
};

test('selfTimes() adds the time before each sample to its place, most first, without idle time', () => {
  assert.deepEqual(selfTimes(PROFILE, folderOf), [
    { place: 'engine/containers', selfMs: 3.5 },
    { place: 'runtime and node: modules', selfMs: 0.25 },
  ]);
  assert.deepEqual(
    selfTimes(PROFILE, functionOf).map((one) => one.place),
    [
      'start (engine/containers/start.ts:10)',
      '(anonymous) (engine/containers/create.ts:1)',
      'open (node:fs:1)',
    ],
  );
});
