/** Mutual TLS: only clients with a certificate of the authority are served, and attach works over it. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { fakeEngine } from '../../test/fakes/engine.ts';
import { RawClient, requestText } from '../../test/fakes/server.ts';
import { FakeProcess } from '../../test/fakes/streams.ts';
import { serve } from './serve.ts';

const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
const identity = { version: '0.1.0', gitCommit: '', buildTime: '', runtime: 'test' };

/** Authority, server and client certificates, made for the test. */
function makeCertificates(folder: string): void {
  const openssl = (...args: string[]): void => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: folder });
    assert.equal(status, 0, String(stderr));
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const ca of ['ca', 'other-ca']) {
    openssl(
      'req',
      '-x509',
      ...key,
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.pem`,
      '-subj',
      `/CN=${ca}`,
      '-days',
      '2',
    );
  }
  for (const [name, ca] of [
    ['server', 'ca'],
    ['client', 'ca'],
    ['stranger', 'other-ca'],
  ] as const) {
    openssl(
      'req',
      ...key,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      '/CN=localhost',
    );
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${ca}.pem`,
      '-CAkey',
      `${ca}.key`,
      '-CAcreateserial',
      '-out',
      `${name}.pem`,
      '-days',
      '2',
    );
  }
}

test('serve() over TLS serves holders of a certificate only', { skip: !hasOpenssl }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'carve-tls-'));
  makeCertificates(folder);
  const pem = (name: string): string => readFileSync(join(folder, name), 'utf8');
  const process = new FakeProcess();
  const server = await serve(
    fakeEngine({ containers: { attach: async () => process.attachment('raw') } }),
    {
      listen: {
        kind: 'tcp',
        host: '127.0.0.1',
        port: 0,
        tls: { ca: pem('ca.pem'), cert: pem('server.pem'), key: pem('server.key') },
      },
      identity,
    },
  );
  const dial = (name: string | undefined): TLSSocket =>
    connect({
      host: '127.0.0.1',
      port: server.port ?? 0,
      servername: 'localhost',
      ca: pem('ca.pem'),
      ...(name === undefined ? {} : { cert: pem(`${name}.pem`), key: pem(`${name}.key`) }),
    });
  for (const name of [undefined, 'stranger']) {
    const refused = new RawClient(dial(name));
    refused.write(requestText('/_ping', { headers: { Connection: 'close' } }));
    assert.equal(await refused.ended(), '', `${name ?? 'nobody'} was served`);
    refused.socket.destroy();
  }
  const known = new RawClient(dial('client'));
  known.write(requestText('/_ping', { headers: { Connection: 'close', Host: 'any.name' } }));
  assert.match(await known.ended(), /^HTTP\/1\.1 200 OK[\s\S]*OK$/);
  known.socket.destroy();

  const attached = new RawClient(dial('client'));
  attached.write(
    requestText('/containers/x/attach?stream=1&stdin=1', {
      method: 'POST',
      headers: { Connection: 'Upgrade', Upgrade: 'tcp' },
    }),
  );
  await attached.until((text) => text.includes('\r\n\r\n'));
  attached.write('typed');
  await process.until(() => process.input === 'typed');
  process.say('output');
  process.exit();
  await attached.ended();
  assert.equal(attached.payload.toString(), 'output');
  attached.socket.destroy();
  await server.close();
  rmSync(folder, { recursive: true });
});
