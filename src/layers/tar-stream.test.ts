import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archive, pax, raw } from '../../test/fuzz/tar-raw.ts';
import { readTar } from './tar-stream.ts';
import { encodeTar } from './tar-write.ts';

async function* from(bytes: Buffer, chunkBytes: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

const FILES = encodeTar([
  { type: 'file', path: 'a', content: 'aaa' },
  { type: 'directory', path: 'd' },
  { type: 'file', path: 'b', content: 'b'.repeat(3000) },
  { type: 'file', path: 'c', content: '' },
]);

for (const chunkBytes of [1, 512, 100_000]) {
  test(`readTar() gives entries with their content in chunks of ${chunkBytes}`, async () => {
    const found: string[] = [];
    for await (const { entry, body } of readTar(from(FILES, chunkBytes))) {
      let content = '';
      for await (const chunk of body) content += Buffer.from(chunk).toString();
      found.push(`${entry.path} ${content.length}`);
    }
    assert.deepEqual(found, ['a 3', 'd/ 0', 'b 3000', 'c 0']);
  });

  test(`readTar() skips bodies that nobody reads to their end in chunks of ${chunkBytes}`, async () => {
    const found: string[] = [];
    for await (const { entry, body } of readTar(from(FILES, chunkBytes))) {
      found.push(entry.path);
      if (entry.path === 'b') await body[Symbol.asyncIterator]().next();
    }
    assert.deepEqual(found, ['a', 'd/', 'b', 'c']);
  });
}

test('readTar() fills the holes of sparse files', async () => {
  const bytes = archive(
    pax([
      ['GNU.sparse.size', '100000'],
      ['GNU.sparse.map', '2,1,90000,1'],
    ]),
    raw({ name: 'f' }, 'xy'),
  );
  for await (const { body } of readTar(from(bytes, 700))) {
    const parts: Buffer[] = [];
    for await (const chunk of body) parts.push(Buffer.from(chunk));
    const content = Buffer.concat(parts);
    assert.deepEqual(
      [content.length, content[2], content[90_000], content.filter((byte) => byte === 0).length],
      [100_000, 120, 121, 99_998],
    );
  }
});

test('readTar() fails where the archive is cut', async () => {
  const read = async (): Promise<void> => {
    for await (const _ of readTar(from(FILES.subarray(0, 2100), 512)));
  };
  await assert.rejects(read(), /truncated/);
});
