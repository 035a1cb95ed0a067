/** What `npm run build` made: one file that runs alone, the same bytes everywhere, and the same program on Node.js. */

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import manifest from '../../package.json' with { type: 'json' };
import { runChild } from '../../scripts/child.ts';
import { ROOT, TOOLS } from '../../scripts/tools.ts';
import { EngineOf } from './engine-of.ts';

const SINGLE = join(ROOT, 'dist', 'carve');
const FOR_NODE = join(ROOT, 'dist', 'carve.cjs');
const needsRoot = process.getuid?.() === 0 ? false : 'the engine needs root';

const sha256 = (path: string): string =>
  createHash('sha256').update(readFileSync(path)).digest('hex');

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'carve-programs-'));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

before(async () => {
  if (existsSync(SINGLE) && existsSync(FOR_NODE)) return;
  const { code, output } = await runChild([TOOLS.bun, 'scripts/build.ts']);
  assert.equal(code, 0, output);
});

test('both programs print their version', async () => {
  for (const argv of [[SINGLE], [TOOLS.node, FOR_NODE]]) {
    const { code, stdout } = await runChild([...argv, '--version']);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`\\b${manifest.version.replaceAll('.', '\\.')}\\b`));
  }
});

test('no file of the directory it is run in changes how the single file runs', () =>
  inFolder(async (folder) => {
    writeFileSync(join(folder, 'evil.ts'), 'console.log("evil"); process.exit(66);\n');
    writeFileSync(join(folder, 'bunfig.toml'), 'preload = ["./evil.ts"]\n');
    writeFileSync(join(folder, '.env'), 'CARVE_HOST=tcp://192.0.2.1:1\nDOCKER_HOST=bad://\n');
    writeFileSync(join(folder, 'package.json'), '{"imports": {"node:fs": "./evil.ts"}}');
    writeFileSync(
      join(folder, 'tsconfig.json'),
      '{"compilerOptions": {"paths": {"*": ["./evil.ts"]}}}',
    );
    const there = await runChild([SINGLE, '--version'], { cwd: folder });
    assert.equal(there.code, 0, there.output);
    const host = await runChild([SINGLE, '--host', `unix://${folder}/none`, 'ps'], { cwd: folder });
    assert.match(host.output, new RegExp(`${folder}/none`));
    const chosen = await runChild([SINGLE, 'ps'], {
      cwd: folder,
      env: { CARVE_HOST: `unix://${folder}/other` },
    });
    assert.match(chosen.output, new RegExp(`${folder}/other`), 'a .env of the directory was read');
  }));

test('the build gives the same bytes in another directory', () =>
  inFolder(async (folder) => {
    const copies = [join(folder, 'one'), join(folder, 'another-name')] as const;
    for (const copy of copies) {
      const from = copy === copies[0] ? ROOT : copies[0];
      for (const name of ['src', 'scripts', 'package.json', 'tsconfig.json', 'build/chisel']) {
        cpSync(join(from, name), join(copy, name), { recursive: true });
      }
      symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    }
    for (const copy of copies) {
      const built = await runChild([TOOLS.bun, join(copy, 'scripts/build.ts')], { cwd: copy });
      assert.equal(built.code, 0, built.output);
    }
    for (const name of ['carve', 'carve.cjs', 'layers/unpack-worker.cjs', 'chisel']) {
      const [one, other] = copies.map((copy) => sha256(join(copy, 'dist', name)));
      assert.equal(one, other, name);
    }
    for (const name of ['carve', 'carve.cjs']) {
      const program = readFileSync(join(copies[0], 'dist', name));
      assert.ok(!program.includes(folder), `the path of the checkout is in ${name}`);
    }
  }));

test('the chisel is the same bytes in another directory', () =>
  inFolder(async (folder) => {
    const copies = [join(folder, 'one'), join(folder, 'another-name')] as const;
    for (const copy of copies) {
      const from = copy === copies[0] ? ROOT : copies[0];
      cpSync(join(from, 'chisel'), join(copy, 'chisel'), { recursive: true });
      const { code, output } = await runChild(['make', '-s', '-C', join(copy, 'chisel')]);
      assert.equal(code, 0, output);
    }
    const [one, other] = copies.map((copy) => sha256(join(copy, 'build/chisel')));
    assert.equal(one, other);
  }));

test('the single file alone, copied elsewhere, runs a container', { skip: needsRoot }, () =>
  inFolder(async (folder) => {
    const program = join(folder, 'carve');
    copyFileSync(SINGLE, program);
    await using engine = await EngineOf.start([program]);
    await runsContainers(engine);
    assert.equal(sha256(join(engine.folder, 'run/chisel')), sha256(join(ROOT, 'build/chisel')));
  }),
);

test('the same program on Node.js runs a container', { skip: needsRoot }, async () => {
  await using engine = await EngineOf.start([TOOLS.node, FOR_NODE]);
  assert.equal(engine.daemonProgram(), TOOLS.node);
  await runsContainers(engine);
});

/** From an archive to the exit code, with output, an exec and the log. */
async function runsContainers(engine: EngineOf): Promise<void> {
  await engine.importBusybox();
  const ran = await engine.carve(
    'run',
    '--rm',
    'busybox',
    'sh',
    '-c',
    'echo out; echo err >&2; exit 42',
  );
  assert.equal(ran.code, 42, ran.output);
  assert.equal(ran.stdout, 'out\n');
  const started = await engine.carve(
    'run',
    '-d',
    '--name',
    'one',
    'busybox',
    'sh',
    '-c',
    'echo logged; exec sleep 1000',
  );
  assert.equal(started.code, 0, started.output);
  const inside = await engine.carve('exec', 'one', 'cat', '/proc/1/cmdline');
  assert.equal(inside.stdout, 'sleep\0' + '1000\0', inside.output);
  assert.equal((await engine.carve('logs', 'one')).stdout, 'logged\n');
  const removed = await engine.carve('rm', '-f', 'one');
  assert.equal(removed.code, 0, removed.output);
}
