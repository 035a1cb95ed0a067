/** The daemon's stream when the daemon is slow to read it. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { encodeFrame, FRAME_KIND, FrameDecoder } from '../../src/kernel/frame.ts';
import { CHISEL_PATH } from './monitor-fixture.ts';

/** More than the stream holds. */
const STARTS = 1500;

test('a start that fails is answered once, however late the daemon reads', async () => {
  const host = spawn(CHISEL_PATH, ['host'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {},
    cwd: '/',
  });
  host.stdout.pause();
  // No plan; large, so that the host has read most of them when the last one is written.
  const nothing = new Uint8Array(2000);
  for (let id = 1; id < STARTS; id++)
    host.stdin.write(encodeFrame(FRAME_KIND.start, id, [nothing]));
  const { promise, resolve } = Promise.withResolvers<unknown>();
  host.stdin.write(encodeFrame(FRAME_KIND.start, STARTS, [nothing]), resolve);
  await promise;
  const decoder = new FrameDecoder();
  const answers = new Map<number, number>();
  for await (const chunk of host.stdout as AsyncIterable<Buffer>) {
    for (const { id } of decoder.push(chunk)) answers.set(id, (answers.get(id) ?? 0) + 1);
    if (answers.size === STARTS) host.stdin.end();
  }
  assert.equal(answers.size, STARTS);
  assert.ok([...answers.values()].every((count) => count === 1));
  if (host.exitCode === null) await once(host, 'exit');
  assert.equal(host.exitCode, 0);
});
