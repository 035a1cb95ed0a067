/** Whatever bytes a client sends: an answer or an end of the connection, never a hung or dead server. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeEngine, sampleInspect } from '../../test/fakes/engine.ts';
import { requestText, TestServer } from '../../test/fakes/server.ts';
import { FakeProcess } from '../../test/fakes/streams.ts';
import type { Attachment } from '../engine/engine.ts';

const upgrade = { Connection: 'Upgrade', Upgrade: 'tcp' };

const requests: readonly string[] = [
  requestText('/_ping'),
  requestText('/v1.51/containers/create?name=x', {
    method: 'POST',
    body: { Image: 'a', Cmd: ['b'] },
  }),
  requestText('/containers/web/attach?stream=1&stdin=1', {
    method: 'POST',
    headers: upgrade,
    body: {},
  }),
  requestText('/exec/e1/start', { method: 'POST', headers: upgrade, body: { Tty: true } }),
  requestText(`/containers/json?filters=${encodeURIComponent('{"label":["a"]}')}`),
  `${requestText('/images/load', { method: 'POST', headers: { 'Transfer-Encoding': 'chunked' } })}5\r\nabcde\r\n0\r\n\r\n`,
  requestText('/containers/web/archive?path=/etc', {
    method: 'PUT',
    headers: { Expect: '100-continue' },
    body: 'tar',
  }),
];

/** A request with some of its bytes changed, cut out, or doubled. */
const mutated = fc
  .tuple(
    fc.constantFrom(...requests),
    fc.array(
      fc.record({
        at: fc.nat(600),
        kind: fc.constantFrom('set', 'cut', 'insert', 'double'),
        bytes: fc.oneof(
          fc.uint8Array({ maxLength: 4 }),
          fc
            .constantFrom(
              '\r\n',
              '\r\n\r\n',
              '\n',
              '\0',
              'Content-Length: 9\r\n',
              'Transfer-Encoding: chunked\r\n',
              '%00',
              '../',
              '🙂',
            )
            .map((text) => new Uint8Array(Buffer.from(text))),
        ),
        count: fc.nat(20),
      }),
      { maxLength: 4 },
    ),
  )
  .map(([text, changes]) => {
    let bytes = Buffer.from(text);
    for (const { at, kind, bytes: more, count } of changes) {
      const start = Math.min(at, bytes.length);
      const end = Math.min(start + count, bytes.length);
      const middle =
        kind === 'double'
          ? [bytes.subarray(start, end), bytes.subarray(start, end)]
          : kind === 'cut'
            ? []
            : [Buffer.from(more), ...(kind === 'insert' ? [bytes.subarray(start, end)] : [])];
      bytes = Buffer.concat([bytes.subarray(0, start), ...middle, bytes.subarray(end)]);
    }
    return bytes;
  });

/** A process that ends when its input does. */
function untilEndOfFile(): Attachment {
  const process = new FakeProcess();
  void process.until(() => process.isInputEnded).then(() => process.exit());
  return process.attachment('raw');
}

test('the server survives any bytes and leaves no connection hanging', async () => {
  await using server = await TestServer.start({
    containers: {
      create: async () => ({ id: sampleInspect.Id as never, warnings: [] }),
      list: async () => [],
      attach: async () => untilEndOfFile(),
      writeArchive: async (...[, , archive]) => {
        for await (const _ of archive);
      },
    },
    execs: {
      inspect: (id) => fakeEngine().execs.inspect(id),
      start: async () => untilEndOfFile(),
    },
    images: {
      load: async function* (archive) {
        for await (const _ of archive);
        yield { stream: 'loaded' };
      },
    },
  });
  await fc.assert(
    fc.asyncProperty(mutated, async (bytes) => {
      const client = await server.raw();
      client.socket.end(bytes);
      assert.match(await client.ended(), /^(?:$|HTTP\/1\.1 \d{3} )/);
      client.socket.destroy();
    }),
    { numRuns: 300 },
  );
  assert.equal((await server.ask('/_ping')).body, 'OK');
});
