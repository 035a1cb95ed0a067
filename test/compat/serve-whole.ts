/**
 * Program: the HTTP server over a whole engine, images and all, with an image
 * `busybox`, until its stdin ends. Prints `ready`. Needs root.
 */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { serve } from '../../src/http/serve.ts';
import { encodeTar } from '../../src/layers/tar-write.ts';
import { createEngine } from '../../src/wiring.ts';

const [, , path = ''] = process.argv;
const busybox = ['/bin/busybox', '/usr/bin/busybox']
  .map(readProgram)
  .find((bytes) => bytes !== undefined);
if (busybox === undefined) throw new Error('No busybox: apt-get install busybox-static');
const chisel = process.env['CARVE_CHISEL'] ?? resolve(import.meta.dirname, '../../build/chisel');
const directory = mkdtempSync(join(tmpdir(), 'carve-whole-'));
const engine = await createEngine({
  root: join(directory, 'root'),
  run: join(directory, 'run'),
  chisel: { kind: 'file', path: chisel },
});
const applets = ['sh', 'sleep', 'cat', 'echo', 'ls', 'rm', 'touch', 'mkdir', 'ln', 'true'];
const root = encodeTar([
  { type: 'directory', path: 'bin', mode: 0o755 },
  { type: 'directory', path: 'etc', mode: 0o755 },
  { type: 'directory', path: 'tmp', mode: 0o1777 },
  { type: 'file', path: 'bin/busybox', content: busybox, mode: 0o755 },
  { type: 'file', path: 'etc/passwd', content: Buffer.from('root:x:0:0::/:/bin/sh\n') },
  ...applets.map(
    (name) => ({ type: 'symlink', path: `bin/${name}`, linkPath: 'busybox' }) as const,
  ),
]);
for await (const _ of engine.images.import(Readable.from(root, { objectMode: false }), {
  reference: 'busybox',
  changes: ['CMD ["sh"]', 'ENV PATH=/bin'],
}));
const server = await serve(engine, {
  listen: { kind: 'unix', path },
  identity: { version: '0.1.0', gitCommit: 'abcdef0', buildTime: '', runtime: 'test' },
});
process.stdout.write('ready\n');
process.stdin.on('end', () => void stop());
process.stdin.resume();

async function stop(): Promise<void> {
  for (const { Id } of await engine.containers.list({ all: true, size: false, filters: {} }))
    await engine.containers.remove(Id, { force: true, volumes: true });
  await server.close();
  await engine.close();
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
}

function readProgram(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
