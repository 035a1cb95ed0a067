/**
 * Paths that change while a container starts: another process swaps a
 * directory of a shared volume with a link that leads outside, all the time.
 * Security matrix R3, R6, R25.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import type { ContainerMount } from '../../src/engine/containers/mount.ts';
import { parseMountInfo } from '../../src/kernel/procfs.ts';
import { ContainerFixture } from './container-fixture.ts';

const STARTS = 80;

const FLIPPER = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/prctl.h>
#include <signal.h>
int main(int argc, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  puts("up"); fflush(stdout);
  for (;;) { renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE); usleep(20); }
}`;

/** Swaps two paths until it is disposed. */
class Flipper implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(dir: string, a: string, b: string): Promise<Flipper> {
    const program = join(dir, 'flipper');
    execFileSync('gcc', ['-O1', '-x', 'c', '-o', program, '-'], { input: FLIPPER });
    const child = spawn(program, [a, b], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    return new Flipper(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

function bind(source: string, destination: string): ContainerMount {
  return {
    type: 'bind',
    origin: 'binds',
    source,
    destination,
    readonly: false,
    readonlyDepth: 'best-effort',
    mode: '',
    propagation: 'rprivate',
    recursive: true,
    createSource: true,
  };
}

test('R6 R25: a swapped parent makes a mount, a directory or a file land inside, or fail, never outside', async () => {
  await using fixture = await ContainerFixture.create();
  const canary = await fixture.makeDir('canary');
  const volume = await fixture.makeDir('volume');
  const source = await fixture.makeDir('source');
  await writeFile(join(source, 'file'), 'x');
  await fixture.makeDir('volume', 'a');
  await symlink(canary, join(volume, 'b'));
  await using _flipper = await Flipper.start(fixture.dir, join(volume, 'a'), join(volume, 'b'));
  const outcomes = { started: 0, refused: 0 };
  for (let round = 0; round < STARTS; round++) {
    const mounts = [
      bind(volume, '/volume'),
      bind(source, `/volume/a/directory${round}`),
      bind(join(source, 'file'), `/volume/a/file${round}`),
    ];
    const input = { mounts, config: { WorkingDir: `/volume/a/work${round}` } };
    try {
      const { code } = await fixture.run({ command: ['/bin/true'], input });
      assert.equal(code, 0);
      outcomes.started++;
    } catch (error) {
      assert.ok(isEngineError(error), String(error));
      outcomes.refused++;
    }
  }
  assert.deepEqual(await readdir(canary), [], 'the host path was changed: this is an escape');
  assert.equal(outcomes.started + outcomes.refused, STARTS);
  const left = parseMountInfo(await readFile('/proc/self/mountinfo', 'utf8'));
  assert.ok(!left.some(({ mountPoint }) => mountPoint.startsWith(fixture.dir)), 'a mount leaked');
});

test('R3 R7: a swapped image directory does not lead the devices, links and masks outside', async () => {
  await using fixture = await ContainerFixture.create();
  const canary = await fixture.makeDir('canary');
  await symlink(`/../../../..${canary}`, join(fixture.root, 'dev-link'));
  await using _flipper = await Flipper.start(
    fixture.dir,
    join(fixture.root, 'dev'),
    join(fixture.root, 'dev-link'),
  );
  for (let round = 0; round < STARTS; round++) {
    const command = ['sh', '-c', 'test -e /proc/kcore && test -s /proc/kcore && echo seen; true'];
    const ended = await fixture.run({ command }).catch((error: unknown) => {
      assert.ok(isEngineError(error), String(error));
      return undefined;
    });
    if (ended !== undefined) assert.doesNotMatch(ended.output, /seen/);
  }
  assert.deepEqual(await readdir(canary), [], 'the host path was changed: this is an escape');
});
