import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isEngineError } from '../base/error.ts';
import { formatJson, parseJson } from './decode.ts';
import { JsonSplitter, readJsonStream } from './json.ts';

async function* chunksOf(text: string, size: number): AsyncGenerator<Uint8Array, void, void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(text: string, size: number): Promise<readonly unknown[]> {
  const values: unknown[] = [];
  for await (const value of readJsonStream(chunksOf(text, size))) values.push(value);
  return values;
}

test('parseJson() keeps integers beyond 2^53 exact, and formatJson() writes them back', () => {
  const text =
    '{"timeNano":1763913645123456789,"time":1763913645,"s":"1763913645123456789","f":1e300}';
  const value = parseJson(text) as Record<string, unknown>;
  assert.equal(value['timeNano'], 1763913645123456789n);
  assert.equal(value['time'], 1763913645);
  assert.equal(value['s'], '1763913645123456789');
  assert.equal(formatJson(value), text.replace('1e300', '1e+300'));
});

test('parseJson() says in one sentence that the answer is not JSON', () => {
  assert.throws(
    () => parseJson('<html>'),
    (error: unknown) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('readJsonStream() reads objects one a line, in a row, and with CRLF between, in any cut', async () => {
  const text = '{"a":"}\\"{"}\r\n{"b":[1,{"c":"ü"}]}{"d":{}}\n\n[1]';
  for (const size of [1, 2, 5, 1000]) {
    assert.deepEqual(await collect(text, size), [
      { a: '}"{' },
      { b: [1, { c: 'ü' }] },
      { d: {} },
      [1],
    ]);
  }
});

test('readJsonStream() refuses a stream that ends inside an object', async () => {
  await assert.rejects(
    collect('{"a":1}{"b":', 3),
    (error: unknown) => isEngineError(error) && error.kind === 'corrupt',
  );
});

test('JsonSplitter finds every object, however the text is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.object(), { maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      (values, size) => {
        const text = values.map((value) => JSON.stringify(value)).join('\r\n');
        const splitter = new JsonSplitter();
        const found: string[] = [];
        for (let at = 0; at < text.length; at += size)
          found.push(...splitter.push(text.slice(at, at + size)));
        assert.deepEqual(
          found,
          values.map((value) => JSON.stringify(value)),
        );
        assert.equal(splitter.isInsideObject, false);
      },
    ),
  );
});
