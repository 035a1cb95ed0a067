/**
 * The tar reader and the tree of a layer over bytes that were archives once:
 * whatever comes, the answer is an entry or an `EngineError`, the same however
 * the bytes are cut, and no operation leaves the layer's own tree.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { decompress } from '../../src/layers/decompress.ts';
import type { LayerWriter } from '../../src/layers/layer-writer.ts';
import type { TarHandler } from '../../src/layers/tar-entry.ts';
import { TarParser } from '../../src/layers/tar-parse.ts';
import { LayerTree } from '../../src/layers/tree.ts';
import { hostileArchives } from './hostile.ts';
import { Dice, FUZZ_FACTOR, FUZZ_SEED, mutateBytes } from './mutate.ts';

const SEEDS = hostileArchives('/canary')
  .map(({ tar }) => tar)
  .filter(({ length }) => length < 100_000);
const COUNT = 4000 * FUZZ_FACTOR;

/** Puts right the checksum of every block that looks like a header, so that changes get past it. */
function reseal(tar: Buffer): Buffer {
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    const block = tar.subarray(at, at + 512);
    if (!/^[0-7]{6}\P{L} $/u.test(block.toString('latin1', 148, 156))) continue;
    block.fill(32, 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return tar;
}

/** Reads an archive in pieces of `sizeOf()` bytes; what was seen, or the refusal. */
function read(tar: Buffer, handler: TarHandler, sizeOf: () => number): string {
  try {
    const parser = new TarParser(handler);
    for (let at = 0; at < tar.length; ) {
      const size = sizeOf();
      parser.push(tar.subarray(at, at + size));
      at += size;
    }
    parser.finish();
    return 'read';
  } catch (error) {
    assert.ok(isEngineError(error), error instanceof Error ? error.stack : String(error));
    assert.match(error.kind, /^(?:corrupt|invalid|exhausted|unsupported)$/);
    assert.match(error.message, /^[A-Z]\P{Cc}+$/u);
    return error.message;
  }
}

/** A digest of all that a reader is told. */
class Witness implements TarHandler {
  readonly #hash = createHash('sha256');
  onEntry(entry: object): void {
    this.#hash.update(JSON.stringify(entry));
  }
  onData(chunk: Uint8Array, offsetBytes: number): void {
    // Where chunks end is not the archive's: bytes at their places are.
    for (let at = Math.ceil(offsetBytes / 97) * 97; at < offsetBytes + chunk.length; at += 97)
      this.#hash.update(`${at}:${chunk[at - offsetBytes] ?? 0}`);
  }
  onEnd(): void {
    this.#hash.update('end');
  }
  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** Takes a layer's operations and checks that each names one component in a directory that was made. */
class CheckingWriter implements LayerWriter {
  readonly #directories = new Set(['']);
  #current = '';
  #open = false;

  #name(name: string): void {
    assert.ok(name !== '' && name !== '.' && name !== '..' && name.length <= 255, name);
    assert.ok(!name.includes('/') && !name.includes('\0'), name);
  }
  changeDirectory(path: string): void {
    assert.ok(this.#directories.has(path), path);
    this.#current = path;
  }
  makeDirectory(name: string): void {
    this.#name(name);
    this.#directories.add(this.#current === '' ? name : `${this.#current}/${name}`);
  }
  beginFile({ name }: { readonly name: string }): void {
    this.#name(name);
    assert.ok(!this.#open);
    this.#open = true;
  }
  fileData(): void {
    assert.ok(this.#open);
  }
  endFile(): void {
    this.#open = false;
  }
  makeSymlink(name: string, target: string): void {
    this.#name(name);
    assert.ok(target !== '' && !target.includes('\0'));
  }
  makeLink(name: string, targetDirectory: string, targetName: string): void {
    this.#name(name);
    this.#name(targetName);
    assert.ok(this.#directories.has(targetDirectory), targetDirectory);
  }
  makeNode({ name }: { readonly name: string }): void {
    this.#name(name);
  }
  unlink(name: string): void {
    this.#name(name);
  }
  removeDirectory(name: string): void {
    this.#name(name);
    this.#directories.delete(this.#current === '' ? name : `${this.#current}/${name}`);
  }
  setAttributes(attributes: { readonly xattrs: readonly { readonly name: string }[] }): void {
    for (const { name } of attributes.xattrs)
      assert.match(
        name,
        /^(?:user\.(?!overlay\.)|security\.capability$|trusted\.overlay\.opaque$)/,
      );
  }
  inheritAttributes(path: string): void {
    assert.ok(this.#directories.has(path), path);
  }
  copyFromBelow(name: string): void {
    this.#name(name);
  }
  limitBelow(): void {
    assert.ok(!this.#open);
  }
}

class Feeder implements TarHandler {
  readonly #tree: LayerTree;
  readonly #writer: CheckingWriter;
  #isWanted = false;
  constructor(tree: LayerTree, writer: CheckingWriter) {
    this.#tree = tree;
    this.#writer = writer;
  }
  onEntry(entry: Parameters<LayerTree['addEntry']>[0]): void {
    this.#isWanted = this.#tree.addEntry(entry);
  }
  onData(): void {
    if (this.#isWanted) this.#writer.fileData();
  }
  onEnd(): void {
    if (this.#isWanted) this.#writer.endFile();
  }
}

test('F1 F5: mutated archives are read the same in every cut, or refused in a sentence', () => {
  const seen = new Set<string>();
  for (let i = 0; i < COUNT; i++) {
    const dice = new Dice(FUZZ_SEED + i);
    const tar = reseal(mutateBytes(dice, dice.pick(SEEDS), SEEDS));
    const [whole, cut] = [new Witness(), new Witness()];
    const first = read(tar, whole, () => tar.length);
    const second = read(tar, cut, () => 1 + dice.roll(700));
    assert.deepEqual([second, cut.digest()], [first, whole.digest()], `seed ${FUZZ_SEED + i}`);
    seen.add(first.replaceAll(/"(?:[^"\\]|\\.)*"|\d+/g, '…'));
  }
  // The mutator gets somewhere: archives that are read, and refusals of many kinds.
  assert.ok(seen.has('read') && seen.size > 15, `${seen.size} outcomes`);
});

test('F1 F3 F4: whatever a mutated archive asks for, a layer’s operations stay in its tree', () => {
  for (let i = 0; i < COUNT; i++) {
    const dice = new Dice(FUZZ_SEED + 1_000_000 + i);
    const tar = reseal(mutateBytes(dice, dice.pick(SEEDS), SEEDS));
    const writer = new CheckingWriter();
    const hasParent = dice.roll(2) === 0;
    const options = {
      hasParent,
      overlayXattrs: 'trusted',
      skipDevices: dice.roll(2) === 0,
    } as const;
    const tree = new LayerTree(writer, options);
    const outcome = read(tar, new Feeder(tree, writer), () => tar.length);
    const below = { root: { mode: 0o755, uid: 0, gid: 0 }, visibleCount: 1 };
    if (outcome === 'read') tree.finish(hasParent ? below : undefined);
  }
});

test('F5: mutated compressed streams are inflated or refused, and never grow without bound', async () => {
  const { gzipSync, zstdCompressSync } = await import('node:zlib');
  const packed = SEEDS.slice(0, 20).flatMap((tar) => [gzipSync(tar), zstdCompressSync(tar)]);
  const limits = { layerBytes: 4 * 1024 * 1024, ratio: 1100 };
  for (let i = 0; i < 400 * FUZZ_FACTOR; i++) {
    const dice = new Dice(FUZZ_SEED + 2_000_000 + i);
    const bytes = mutateBytes(dice, dice.pick(packed), packed);
    let size = 0;
    const source = (async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
    })();
    try {
      for await (const chunk of decompress(source, limits)) size += chunk.length;
    } catch (error) {
      assert.ok(isEngineError(error), `seed ${FUZZ_SEED + 2_000_000 + i}: ${String(error)}`);
    }
    assert.ok(size <= limits.layerBytes);
  }
});
