import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isEngineError } from '../base/error.ts';
import { formatHost, parseHost } from './host.ts';

const good: readonly (readonly [string, string])[] = [
  ['unix:///run/carve/carve.sock', 'unix:///run/carve/carve.sock'],
  ['/tmp/x.sock', 'unix:///tmp/x.sock'],
  ['tcp://example.org:2375', 'tcp://example.org:2375'],
  ['tcp://[::1]:99', 'tcp://[::1]:99'],
  ['http://127.0.0.1:80/', 'tcp://127.0.0.1:80'],
  ['tcp://example.org', 'tcp://example.org:2375'],
  ['example.org:1', 'tcp://example.org:1'],
  ['tcp://:2375', 'tcp://127.0.0.1:2375'],
];

for (const [text, shown] of good) {
  test(`parseHost() reads ${text} as ${shown}`, () => {
    const address = parseHost(text);
    assert.equal(formatHost(address), shown);
    assert.deepEqual(parseHost(formatHost(address)), address);
  });
}

const bad: readonly (readonly [string, string, RegExp])[] = [
  ['', 'invalid', /expected unix/],
  ['unix://relative', 'invalid', /absolute/],
  [`unix:///${'a'.repeat(108)}`, 'invalid', /at most 107 bytes/],
  ['unix:///a\0b', 'invalid', /zero byte/],
  ['tcp://host:0', 'invalid', /port 0/],
  ['tcp://host:70000', 'invalid', /port 70000/],
  ['tcp://host:12:13', 'invalid', /expected/],
  ['tcp://user@host:1', 'invalid', /expected/],
  ['ssh://me@host', 'unsupported', /unix:\/\/ and tcp:\/\/ only/],
  ['gopher://x', 'invalid', /unknown scheme "gopher"/],
];

for (const [text, kind, message] of bad) {
  test(`parseHost() refuses ${JSON.stringify(text.slice(0, 30))}`, () => {
    assert.throws(
      () => parseHost(text),
      (error: unknown) =>
        isEngineError(error) && error.kind === kind && message.test(error.message),
    );
  });
}
