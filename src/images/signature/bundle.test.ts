import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { BUNDLE_TYPE, parseBundle, parseStatement, SIGNATURE_PREDICATE } from './bundle.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const bundleOf = (dsseEnvelope: unknown): Buffer =>
  Buffer.from(JSON.stringify({ mediaType: BUNDLE_TYPE, verificationMaterial: {}, dsseEnvelope }));
const STATEMENT = 'application/vnd.in-toto+json';

test('parseBundle() gives the bytes that were signed, and nothing of another kind of bundle', () => {
  const envelope = {
    payloadType: STATEMENT,
    payload: base64('hé'),
    signatures: [{ sig: base64('one'), keyid: '' }, { sig: base64('two') }],
  };
  const found = parseBundle(bundleOf(envelope));
  assert.equal(
    Buffer.from(found?.signed ?? []).toString(),
    'DSSEv1 28 application/vnd.in-toto+json 3 hé',
  );
  assert.deepEqual(
    found?.signatures.map((signature) => Buffer.from(signature).toString()),
    ['one', 'two'],
  );
  assert.equal(parseBundle(bundleOf({ ...envelope, payloadType: 'text/plain' })), undefined);
  assert.equal(parseBundle(Buffer.from('{"messageSignature":{}}')), undefined);
  const bad: readonly Buffer[] = [
    Buffer.from('['),
    bundleOf('x'),
    bundleOf({ payloadType: STATEMENT }),
    bundleOf({ ...envelope, payload: 7 }),
    bundleOf({ ...envelope, signatures: {} }),
    bundleOf({ ...envelope, signatures: [{}] }),
    bundleOf({ ...envelope, signatures: Array(17).fill({ sig: '' }) }),
    Buffer.alloc(300_000, 32),
  ];
  for (const bytes of bad) assert.throws(() => parseBundle(bytes), isEngineError, String(bytes));
});

test('parseStatement() takes a signature of one image and refuses every other', () => {
  const hex = 'a'.repeat(64);
  const statementOf = (more: object): Buffer =>
    Buffer.from(
      JSON.stringify({
        _type: 'https://in-toto.io/Statement/v1',
        subject: [{ digest: { sha256: hex } }],
        predicateType: SIGNATURE_PREDICATE,
        predicate: {},
        ...more,
      }),
    );
  assert.deepEqual(parseStatement(statementOf({})), {
    digest: `sha256:${hex}`,
    identity: undefined,
  });
  const bad: readonly Buffer[] = [
    Buffer.from('null'),
    statementOf({ predicateType: 'https://slsa.dev/provenance/v1' }),
    statementOf({ predicateType: null }),
    statementOf({ subject: [] }),
    statementOf({ subject: [{ digest: { sha256: hex } }, { digest: { sha256: hex } }] }),
    statementOf({ subject: [{ digest: { sha512: hex } }] }),
    statementOf({ subject: [{ digest: { sha256: `${hex}\n` } }] }),
    statementOf({ subject: { digest: { sha256: hex } } }),
    Buffer.alloc(70_000, 32),
  ];
  for (const bytes of bad) assert.throws(() => parseStatement(bytes), isEngineError, String(bytes));
});
