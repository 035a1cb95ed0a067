import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { isSignedBy, parseTrustedKey, readTrustedKeys } from './keys.ts';
import { parseClaim } from './payload.ts';

interface Pair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const PAIRS: Readonly<Record<string, Pair>> = {
  'ecdsa-p256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: generateKeyPairSync('ed25519'),
};

function pemOf(key: KeyObject, type: 'spki' | 'pkcs8' = 'spki'): string {
  return key.export({ type, format: 'pem' }).toString();
}

test('isSignedBy() takes what the key signed, byte for byte, and nothing else', () => {
  const payload = Buffer.from('{"critical":{}}');
  for (const [algorithm, { publicKey, privateKey }] of Object.entries(PAIRS)) {
    const key = parseTrustedKey(pemOf(publicKey), '/k.pem');
    assert.equal(key.algorithm, algorithm);
    const made = sign(algorithm === 'ed25519' ? null : 'sha256', payload, privateKey);
    assert.equal(isSignedBy(key, payload, made), true, algorithm);
    assert.equal(isSignedBy(key, Buffer.from('{"critical":{} }'), made), false, algorithm);
    const flipped = Buffer.from(made);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    assert.equal(isSignedBy(key, payload, flipped), false, algorithm);
    for (const junk of [Buffer.alloc(0), Buffer.alloc(64), Buffer.alloc(10_000, 0x30)])
      assert.equal(isSignedBy(key, payload, junk), false, algorithm);
    for (const other of Object.values(PAIRS)) {
      if (other.publicKey === publicKey) continue;
      const foreign = parseTrustedKey(pemOf(other.publicKey), '/other.pem');
      assert.equal(isSignedBy(foreign, payload, made), false, algorithm);
    }
  }
});

test('parseTrustedKey() refuses private keys, several keys, weak and foreign kinds', () => {
  const good = PAIRS['rsa'] as Pair;
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rows: readonly (readonly [string, RegExp])[] = [
    ['', /one PEM "PUBLIC KEY"/],
    [pemOf(good.privateKey, 'pkcs8'), /one PEM "PUBLIC KEY"/],
    [pemOf(good.publicKey).repeat(2), /one PEM "PUBLIC KEY"/],
    [
      '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
      /Cannot use the signature key/,
    ],
    [pemOf(short.publicKey), /it has 1024 bits, at least 2048/],
    [pemOf(curve.publicKey), /only ECDSA P-256, RSA and Ed25519/],
    [pemOf(generateKeyPairSync('x25519').publicKey), /only ECDSA P-256, RSA and Ed25519/],
  ];
  for (const [pem, pattern] of rows) {
    assert.throws(
      () => parseTrustedKey(pem, '/etc/k.pem'),
      (error) =>
        isEngineError(error) &&
        error.kind === 'invalid' &&
        pattern.test(error.message) &&
        error.message.includes('/etc/k.pem'),
      pattern.source,
    );
  }
});

test('readTrustedKeys() names the file that cannot be read', async () => {
  await assert.rejects(
    readTrustedKeys(['/nonexistent/k.pem']),
    (error) =>
      isEngineError(error) &&
      error.kind === 'unavailable' &&
      error.message.includes('/nonexistent/k.pem'),
  );
});

test('parseClaim() takes the payloads of signers and refuses every other', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const payload = (critical: object): Uint8Array =>
    Buffer.from(JSON.stringify({ critical, optional: null }));
  const type = 'cosign container image signature';
  const image = { 'docker-manifest-digest': digest };
  const named = parseClaim(
    payload({ type, image, identity: { 'docker-reference': 'a.example/b:1' } }),
  );
  assert.equal(named.digest, digest);
  assert.equal(named.identity?.domain, 'a.example');
  const plain = parseClaim(payload({ type, image, identity: { 'docker-reference': '' } }));
  assert.equal(plain.identity, undefined);
  const bad: readonly Uint8Array[] = [
    Buffer.from('null'),
    Buffer.from('{'),
    payload({}),
    payload({ image }),
    payload({ type: 'atomic container signature', image }),
    payload({ type, image: {} }),
    payload({ type, image: { 'docker-manifest-digest': 'sha256:abc' } }),
    payload({ type, image, identity: { 'docker-reference': 'A B' } }),
    payload({ type, image, identity: [] }),
    Buffer.alloc(70_000, 32),
  ];
  for (const bytes of bad)
    assert.throws(() => parseClaim(bytes), isEngineError, Buffer.from(bytes).toString());
});
