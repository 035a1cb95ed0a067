import { test } from 'node:test';
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../../src/cli/main.ts';
import { startFakeEngine, type FakeEngine } from './fake-engine.ts';
import { testIo, type TestIo } from './test-io.ts';

/** A directory with a program `mmdebstrap` of this script in it. */
async function withProgram(
  script: string,
  body: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-bootstrap-'));
  writeFileSync(join(directory, 'mmdebstrap'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(directory, 'mmdebstrap'), 0o755);
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const importing = (): Promise<FakeEngine> =>
  startFakeEngine({ 'POST /images/create': () => ({ text: '{"status":"sha256:abc"}\r\n' }) });

function bootstrap(
  engine: FakeEngine,
  directory: string,
  io: TestIo,
  ...argv: readonly string[]
): Promise<number> {
  return runCli(['-H', engine.host, 'image', 'bootstrap', ...argv], {
    ...io,
    env: { PATH: `${directory}:${process.env['PATH'] ?? ''}` },
  });
}

test('bootstrap streams the archive into an import with the command, the path and labels', async () => {
  await withProgram(
    'echo "I: extracting archives..." >&2; echo "W: noise" >&2; printf tar-bytes',
    async (directory) => {
      await using engine = await importing();
      const io = testIo();
      assert.equal(
        await bootstrap(
          engine,
          directory,
          io,
          'debian:trixie',
          '--mirror',
          'http://m.example/',
          '--include',
          'curl,git',
        ),
        0,
        io.err(),
      );
      assert.equal(io.out(), 'debian:trixie sha256:abc\n');
      assert.equal(
        io.err(),
        'Making debian trixie from http://m.example/\nextracting archives...\n',
      );
      const request = await engine.until(/images\/create/);
      assert.equal(request.body.toString(), 'tar-bytes');
      const { fromSrc, repo, tag, changes = '' } = request.query;
      assert.deepEqual([fromSrc, repo, tag], ['-', 'debian', 'trixie']);
      assert.match(changes, /org.opencontainers.image.version=trixie/);
    },
  );
});

test('bootstrap makes no image when the program fails, and says why in its words', async () => {
  const script =
    'printf half; echo "E: The repository does not have a Release file." >&2; echo "E: mmdebstrap failed to run" >&2; exit 25';
  await withProgram(script, async (directory) => {
    await using engine = await importing();
    const io = testIo();
    assert.equal(await bootstrap(engine, directory, io, '-q', 'debian'), 1);
    assert.equal(
      io.err(),
      'mmdebstrap failed with code 25: The repository does not have a Release file.\n',
    );
    // The upload broke off: the engine never saw the end of the request.
    assert.deepEqual(engine.calls(), []);
  });
});

test('bootstrap ends the program and its children when it is interrupted, and lets it clean up', async () => {
  await withProgram(
    // A child that is not yet sleep has the shell's trap, and may lose the signal.
    'trap "touch $0.cleaned; exit 1" TERM; sleep 100 & until read name < /proc/$!/comm && [ "$name" = sleep ]; do :; done; printf some; echo "I: downloading" >&2; wait',
    async (directory) => {
      await using engine = await importing();
      const io = testIo();
      const done = bootstrap(engine, directory, io, 'debian');
      while (!io.err().includes('downloading'))
        await new Promise((resolve) => setTimeout(resolve, 5));
      io.signal('SIGINT');
      assert.equal(await done, 130);
      assert.match(io.err(), /Interrupted\n$/);
      assert.equal(existsSync(join(directory, 'mmdebstrap.cleaned')), true);
    },
  );
});

test('bootstrap says what to install when the program is missing', async () => {
  await using engine = await importing();
  const io = testIo();
  assert.equal(
    await runCli(['-H', engine.host, 'image', 'bootstrap', 'debian'], {
      ...io,
      env: { PATH: '/nonexistent' },
    }),
    1,
  );
  assert.equal(
    io.err(),
    'Cannot make an image: the program mmdebstrap is missing\nInstall it: apt-get install mmdebstrap\n',
  );
});
