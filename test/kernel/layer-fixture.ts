/**
 * What the tests of unpacking share: a chisel, stores in a temporary
 * directory, layers made of entries, and a way to look at the result.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostPath } from '../../src/base/brand.ts';
import { ChiselWalker } from '../../src/layers/chisel-walk.ts';
import type { TargetLayer } from '../../src/layers/target.ts';
import { encodeTar, type NewTarEntry } from '../../src/layers/tar-write.ts';
import {
  LayerUnpacker,
  type UnpackerOptions,
  type UnpackRequest,
} from '../../src/layers/unpack.ts';
import { DiskSnapshotStore } from '../../src/snapshots/disk.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { CHISEL_PATH } from './monitor-fixture.ts';

/** The chisel under test. */
export const CHISEL: HostPath = CHISEL_PATH as HostPath;

/** The worker's module, as a program that is not compiled has it. */
export const WORKER: URL = new URL('../../src/layers/unpack-worker.ts', import.meta.url);

/** An entry with its content. */
export type Entry = NewTarEntry & { readonly content?: Uint8Array | string };

/** A directory of its own for one test, with a snapshot store and an unpacker. */
export class LayerFixture {
  readonly root: HostPath = mkdtempSync(join(tmpdir(), 'carve-layers-')) as HostPath;
  readonly store: DiskSnapshotStore;
  readonly unpacker: LayerUnpacker;

  /** `prepare` sees the store's directory before the store is opened. */
  constructor(options: Partial<UnpackerOptions> = {}, prepare?: (directory: string) => void) {
    prepare?.(join(this.root, 'store'));
    this.store = DiskSnapshotStore.open({
      root: join(this.root, 'store') as HostPath,
      bootId: 'test',
      measure: () => Promise.reject(new Error('not here')),
      remove: async (directory) => new ChiselWalker(CHISEL).remove(directory),
    });
    this.unpacker = new LayerUnpacker({
      target: this.store,
      chiselPath: CHISEL,
      worker: undefined,
      concurrency: 2,
      concurrencyOfImage: 2,
      overlayXattrs: 'trusted',
      skipDevices: false,
      ...options,
    });
  }

  /** Unpack tars on top of each other; the layers, base first. */
  async unpack(...tars: readonly Buffer[]): Promise<readonly TargetLayer[]> {
    return await this.unpacker.unpackAll(tars.map((tar) => requestOf(tar)));
  }

  /** Unpack entries as one base layer; its directory. */
  async unpackEntries(...entries: readonly Entry[]): Promise<string> {
    const [layer] = await this.unpack(encodeTar(entries));
    assert.ok(layer !== undefined);
    return layer.directory;
  }

  async dispose(): Promise<void> {
    await this.unpacker.close();
    await this.store.close();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** Run `body` with a fixture that is gone afterwards. */
  static async with(
    body: (fixture: LayerFixture) => Promise<void>,
    options: Partial<UnpackerOptions> = {},
  ): Promise<void> {
    const fixture = new LayerFixture(options);
    try {
      await body(fixture);
    } finally {
      await fixture.dispose();
    }
  }
}

/** A request for a plain tar that is in memory. */
export function requestOf(tar: Buffer): UnpackRequest {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < tar.length; at += 65_536) yield tar.subarray(at, at + 65_536);
  }
  return {
    diffId: digestBytes(tar),
    bytes: () => Promise.resolve({ kind: 'stream', chunks: chunks() }),
  };
}

/**
 * A tree as text, one line an object: path, type, mode, owner, times, size or
 * target, device, link group, attributes, hash of the content.
 */
export function describeTree(
  root: string,
  options: { readonly withTimes?: boolean } = {},
): readonly string[] {
  const format = `%P\\t%y\\t%m\\t%U:%G\\t${options.withTimes === false ? '' : '%T@'}\\t%s\\t%l\\t%i\\t%n\\0`;
  const found = execFileSync('find', [root, '-printf', format], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  });
  const groups = new Map<string, string>();
  return found
    .split('\0')
    .filter((line) => line !== '')
    .toSorted()
    .map((line) => {
      const [path = '', type = '', mode, owner, time, size, target, inode = '', links] =
        line.split('\t');
      // Objects with several names are the same group; its name is its first path.
      const group = type === 'd' || links === '1' ? '' : (groups.get(inode) ?? path);
      groups.set(inode, group === '' ? path : group);
      const full = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(path, 'latin1')]);
      const hash = type === 'f' ? createHash('sha1').update(readFileSync(full)).digest('hex') : '';
      return [path, type, mode, owner, time, type === 'd' ? '' : size, target, group, hash].join(
        '\t',
      );
    });
}

/** Extended attributes of everything in a tree, `security.selinux` left out, as getfattr prints them. */
export function describeXattrs(root: string): string {
  const out = execFileSync(
    'getfattr',
    ['-R', '-h', '-d', '-m', '^(user|security|trusted)\\.', '-e', 'hex', '.'],
    { cwd: root, encoding: 'latin1' },
  );
  return out
    .split('\n\n')
    .toSorted()
    .join('\n\n')
    .replaceAll(/^security\.selinux=.*\n/gm, '');
}
