/** Pulls that are cut short: by the death of the daemon, by a disk that is full. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { createEngine } from '../../src/wiring.ts';
import { Front, RegistryFixture } from '../compat/registry-fixture.ts';
import { DaemonFixture } from './daemon-fixture.ts';

const CHISEL = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');
const MIB = 1024 * 1024;

async function openRegistry(t: TestContext): Promise<RegistryFixture> {
  const registry = await RegistryFixture.start('plain');
  t.after(async () => registry.stop());
  return registry;
}

/** Puts an image of one layer of noise into the registry. */
async function pushNoise(name: string, sizeBytes: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'carve-source-'));
  const engine = await createEngine({
    root: join(directory, 'root'),
    run: join(directory, 'run'),
    chisel: { kind: 'file', path: CHISEL },
  });
  try {
    const content = randomBytes(sizeBytes);
    const tar = encodeTar([{ type: 'file', path: 'noise', content, mode: 0o644 }]);
    const options = { reference: name, changes: [] };
    const bytes = Readable.from(tar, { objectMode: false });
    for await (const step of engine.images.import(bytes, options)) void step;
    for await (const step of engine.images.push(name, {})) void step;
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function pullPath(name: string): string {
  return `/images/create?fromImage=${encodeURIComponent(name)}`;
}

/** Begins a pull; resolves when its progress says that `bytes` are here. */
async function pullUntil(daemon: DaemonFixture, name: string, bytes: number): Promise<void> {
  await new Promise<void>((done, failed) => {
    const options = { socketPath: daemon.socket, method: 'POST', path: pullPath(name) };
    const ask = request({ ...options, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        const seen = [...text.matchAll(/"current":(\d+)/g)].map((match) => Number(match[1]));
        if (seen.some((current) => current >= bytes)) done();
      });
      answer.on('error', () => undefined);
      answer.on('end', () => failed(new Error(`the pull ended: ${text}`)));
    });
    ask.on('error', failed);
    ask.end();
  });
}

async function imageCount(daemon: DaemonFixture): Promise<number> {
  const { json } = await daemon.api('GET', '/images/json?all=1');
  assert.ok(Array.isArray(json));
  return json.length;
}

test('a pull whose daemon was killed leaves no image, and goes on where it stopped', async (t) => {
  const registry = await openRegistry(t);
  await pushNoise(`${registry.host}/killed:1`, 6 * MIB);
  const { promise: release, resolve: letGo } = Promise.withResolvers<void>();
  t.after(() => letGo());
  const front = await new Front(registry, ({ url }, count) =>
    url?.includes('/blobs/') === true && count === 1
      ? { kind: 'hold', afterBytes: 4 * MIB, release }
      : { kind: 'pass' },
  ).listen();
  t.after(() => front.stop());
  const name = `${front.host}/killed:1`;
  await using daemon = new DaemonFixture();
  await daemon.start();
  await pullUntil(daemon, name, 3 * MIB);
  await daemon.end('SIGKILL');
  await daemon.start();
  assert.equal(await imageCount(daemon), 0);
  const before = front.requests.length;
  const again = await daemon.api('POST', pullPath(name));
  assert.match(again.text, /Status: Downloaded newer image/);
  assert.equal(await imageCount(daemon), 1);
  const ranges = front.requests.slice(before).flatMap(({ range }) => range ?? []);
  const offsets = ranges.map((range) => Number(/^bytes=(\d+)-/.exec(range)?.[1]));
  assert.ok(
    offsets.some((offset) => offset >= 2 * MIB),
    `only what was missing is fetched: ${ranges.join(' ')}`,
  );
});

test('a disk that fills up in a pull ends in one sentence, no image, and room for a smaller one', async (t) => {
  const registry = await openRegistry(t);
  await pushNoise(`${registry.host}/large:1`, 60 * MIB);
  await pushNoise(`${registry.host}/small:1`, MIB);
  const folder = mkdtempSync(join(tmpdir(), 'carve-full-'));
  const [disk, mount] = [join(folder, 'disk'), join(folder, 'mount')];
  writeFileSync(disk, '');
  truncateSync(disk, 48 * MIB);
  mkdirSync(mount);
  execFileSync('mkfs.ext4', ['-q', '-m', '0', disk]);
  execFileSync('mount', ['-o', 'loop', disk, mount]);
  t.after(() => {
    execFileSync('umount', [mount]);
    rmSync(folder, { recursive: true, force: true });
  });
  await using daemon = new DaemonFixture({ root: join(mount, 'root') });
  await daemon.start();
  const { text } = await daemon.api('POST', pullPath(`${registry.host}/large:1`));
  const message = /"errorDetail":\{[^}]*"message":"([^"]*)"/.exec(text)?.[1] ?? '';
  assert.match(message, /no space|disk is full/i, text.slice(-500));
  assert.ok(!message.includes('\\n'), message);
  assert.ok(daemon.isAlive());
  assert.equal(await imageCount(daemon), 0);
  const small = await daemon.api('POST', pullPath(`${registry.host}/small:1`));
  assert.match(small.text, /Status: Downloaded newer image/, small.text.slice(-500));
  assert.equal(await imageCount(daemon), 1);
});
