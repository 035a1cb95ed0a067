import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  headBytesMax,
  headerCountMax,
  HttpSyntaxError,
  parseHead,
  type RequestHead,
} from './head.ts';

function parse(text: string): RequestHead {
  return parseHead(Buffer.from(text, 'latin1'));
}

function statusOf(text: string): number {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof HttpSyntaxError, String(error));
    return error.status;
  }
  return 200;
}

test('parseHead() reads what the docker CLI sends for an attach', () => {
  const head = parse(
    'POST /v1.51/containers/abc/attach?stream=1 HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: Docker-Client/28.2.2 (linux)\r\nContent-Length: 0\r\nConnection: Upgrade\r\nContent-Type: text/plain\r\nUpgrade: tcp',
  );
  assert.equal(head.method, 'POST');
  assert.equal(head.target, '/v1.51/containers/abc/attach?stream=1');
  assert.equal(head.minorVersion, 1);
  assert.equal(head.upgrade, 'tcp');
  assert.equal(head.isKeepAlive, true);
  assert.deepEqual(head.framing, { kind: 'none' });
  assert.equal(head.headers.get('content-type'), 'text/plain');
});

test('parseHead() does not ask for a Host header and takes an empty one', () => {
  assert.equal(parse('GET /_ping HTTP/1.1').target, '/_ping');
  assert.equal(parse('GET /_ping HTTP/1.1\r\nHost:').headers.get('host'), '');
});

test('parseHead() knows the length of the body', () => {
  const rows: [string, object][] = [
    ['Content-Length: 12', { kind: 'length', bytes: 12 }],
    ['Content-Length: 000', { kind: 'none' }],
    ['Transfer-Encoding: Chunked', { kind: 'chunked' }],
    ['X: y', { kind: 'none' }],
  ];
  for (const [line, framing] of rows)
    assert.deepEqual(parse(`PUT / HTTP/1.1\r\n${line}`).framing, framing, line);
});

test('parseHead() keeps a connection by the version and the Connection header', () => {
  const rows: [string, string, boolean][] = [
    ['1.1', '', true],
    ['1.1', 'Connection: close', false],
    ['1.1', 'Connection: Upgrade, Close', false],
    ['1.0', '', false],
    ['1.0', 'Connection: Keep-Alive', true],
  ];
  for (const [version, line, isKept] of rows) {
    const text = `GET / HTTP/${version}${line === '' ? '' : `\r\n${line}`}`;
    assert.equal(parse(text).isKeepAlive, isKept, text);
  }
});

test('parseHead() sees an upgrade only when the Connection header names it', () => {
  assert.equal(parse('GET / HTTP/1.1\r\nUpgrade: tcp').upgrade, undefined);
  assert.equal(
    parse('GET / HTTP/1.1\r\nConnection: keep-alive, upgrade\r\nUpgrade: TCP').upgrade,
    'tcp',
  );
});

test('parseHead() takes an absolute URL and raw UTF-8 as target', () => {
  assert.equal(parse('GET http://docker/info?x=1 HTTP/1.1').target, '/info?x=1');
  assert.equal(parse('GET http://docker HTTP/1.1').target, '/');
  assert.equal(parse(`GET /${Buffer.from('é').toString('latin1')} HTTP/1.1`).target, '/é');
});

test('parseHead() joins repeated header lines', () => {
  assert.equal(parse('GET / HTTP/1.1\r\nA: 1\r\na: 2').headers.get('a'), '1, 2');
});

test('parseHead() refuses what two readers could read in two ways', () => {
  const rows: [string, number][] = [
    ['GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2', 400],
    ['GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1', 400],
    ['GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked', 400],
    ['GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 400],
    ['GET / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked', 501],
    ['GET / HTTP/1.0\r\nTransfer-Encoding: chunked', 400],
    ['GET / HTTP/1.1\r\nContent-Length: +1', 400],
    ['GET / HTTP/1.1\r\nContent-Length: 0x10', 400],
    ['GET / HTTP/1.1\r\nContent-Length: 99999999999999999999', 400],
    ['GET / HTTP/1.1\r\nContent-Length:', 400],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: b', 400],
    ['GET / HTTP/1.1\r\nA: 1\r\n folded', 400],
    ['GET / HTTP/1.1\r\nA : 1', 400],
    ['GET / HTTP/1.1\r\nno colon', 400],
    ['GET / HTTP/1.1\r\n: empty', 400],
    ['GET / HTTP/1.1\r\nA: 1\nB: 2', 400],
    ['GET / HTTP/1.1\r\nA: 1\rB: 2', 400],
    ['GET / HTTP/1.1\r\nA: \0', 400],
    ['GET  / HTTP/1.1', 400],
    ['GET /a b HTTP/1.1', 400],
    ['GET /a\tb HTTP/1.1', 400],
    ['GET HTTP/1.1', 400],
    ['GET /', 400],
    ['', 400],
    ['GET / HTTP/2.0', 505],
    ['PRI * HTTP/2.0', 505],
    ['GET example.com HTTP/1.1', 400],
    ['G@T / HTTP/1.1', 400],
    [`GET / HTTP/1.1${'\r\na: b'.repeat(headerCountMax + 1)}`, 431],
  ];
  for (const [text, status] of rows)
    assert.equal(statusOf(text), status, JSON.stringify(text.slice(0, 80)));
  assert.ok(headBytesMax >= 64 * 1024, 'room for X-Registry-Config');
});
