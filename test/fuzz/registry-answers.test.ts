/** I3: answers of a registry that are HTTP no more: a pull ends, in success or a sentence. */
import assert from 'node:assert/strict';
import net, { type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { isEngineError } from '../../src/base/error.ts';
import { createRegistryAccess } from '../../src/images/registry/access.ts';
import { parseRegistryConfig } from '../../src/images/registry/config.ts';
import { pullEndpoints } from '../../src/images/registry/endpoint.ts';
import { readBounded } from '../../src/images/registry/read.ts';
import { createTransport } from '../../src/images/registry/transport.ts';
import { digestBytes } from '../../src/spec/digest.ts';
import { parseReference } from '../../src/spec/reference.ts';
import { Dice, FUZZ_FACTOR, FUZZ_SEED, mutateBytes } from './mutate.ts';

const BODY = '{"schemaVersion":2,"manifests":[]}';
const http = (head: readonly string[], body: string): Buffer =>
  Buffer.from([...head, '', body].join('\r\n'), 'latin1');

/** Whole answers to change. */
const ANSWERS: readonly Buffer[] = [
  http(
    [
      'HTTP/1.1 200 OK',
      'Content-Type: application/vnd.oci.image.index.v1+json',
      `Content-Length: ${BODY.length}`,
      `Docker-Content-Digest: ${digestBytes(BODY)}`,
    ],
    BODY,
  ),
  http(['HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'], `22\r\n${BODY}\r\n0\r\n\r\n`),
  http(
    ['HTTP/1.1 206 Partial Content', 'Content-Range: bytes 0-3/10', 'Content-Length: 4'],
    'abcd',
  ),
  http(['HTTP/1.1 307 Temporary Redirect', 'Location: /v2/x', 'Content-Length: 0'], ''),
  http(
    [
      'HTTP/1.1 401 Unauthorized',
      'WWW-Authenticate: Bearer realm="http://127.0.0.1:9/token",service="x"',
      'Content-Length: 0',
    ],
    '',
  ),
  http(['HTTP/1.1 429 Too Many', 'Retry-After: 3', 'Content-Length: 0'], ''),
  http(
    ['HTTP/1.1 404 Not Found', 'Content-Length: 60'],
    '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}',
  ),
  http(['HTTP/1.1 100 Continue', '', 'HTTP/1.1 200 OK', 'Content-Length: 2'], '{}'),
];

test('I3: whatever a registry sends, a question ends with an answer or a sentence', async () => {
  let bytes = ANSWERS[0] ?? Buffer.alloc(0);
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined);
    // A client that greets with TLS hears that this is none.
    socket.on('data', (asked) => {
      if (asked[0] === 0x16) socket.destroy();
      else socket.end(bytes);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const transport = createTransport({
    timeouts: { responseMs: 2000, storeMs: 2000, idleMs: 2000 },
  });
  const sleep = (): Promise<void> => Promise.resolve();
  const access = createRegistryAccess({
    config: parseRegistryConfig(JSON.stringify({ registries: { [host]: { insecure: true } } })),
    transport,
    nowMs: () => 0,
    retry: {
      policy: { attempts: 2, baseDelayMs: 1, maxDelayMs: 1 },
      clock: { nowMs: () => 0, dice: () => 0, sleep },
    },
  });
  const [endpoint] = pullEndpoints(parseReference(`${host}/a:1`), access.config);
  assert.ok(endpoint !== undefined);
  let answered = 0;
  try {
    for (let i = 0; i < 250 * FUZZ_FACTOR; i++) {
      const dice = new Dice(FUZZ_SEED + i);
      bytes =
        i < ANSWERS.length ? dice.pick(ANSWERS) : mutateBytes(dice, dice.pick(ANSWERS), ANSWERS);
      const client = await access.open(endpoint, {
        display: `${host}/a:1`,
        credentials: undefined,
      });
      const questions = [
        async () => client.getManifest('1'),
        async () => client.findManifestDigest('1'),
        async () => client.getReferrers(digestBytes('x')),
        async () =>
          readBounded(
            (await client.openBlob(digestBytes('x'), { offsetBytes: 0 })).body,
            1000,
            'it',
          ),
        async () => client.ping(),
      ];
      try {
        await dice.pick(questions)();
        answered++;
      } catch (error) {
        assert.ok(
          isEngineError(error),
          `seed ${FUZZ_SEED + i}: ${error instanceof Error ? error.stack : String(error)}`,
        );
        assert.match(error.message, /^\P{Cc}+$/u, `seed ${FUZZ_SEED + i}`);
      }
    }
  } finally {
    transport.close();
    server.close();
  }
  assert.ok(answered > 10, `${answered} answers`);
});
