/**
 * Public keys that images are signed with, and the one question asked of them.
 *
 * Source: cosign's signature specification: ECDSA P-256 (DER) and RSA
 * (PKCS#1 v1.5) over SHA-256, Ed25519 over the message itself.
 */

import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { EngineError, messageOf } from '../../base/error.ts';

/** Shortest RSA modulus that is trusted, in bits. */
const RSA_MIN_BITS = 2048;

/** A key and where it came from. */
export interface TrustedKey {
  /** Host path, for messages. */
  readonly path: string;
  readonly algorithm: 'ecdsa-p256' | 'rsa' | 'ed25519';
  readonly key: KeyObject;
}

/** Read the keys anew, so that a replaced file counts from the next pull on. Errors: `invalid`, `unavailable`. */
export async function readTrustedKeys(paths: readonly string[]): Promise<readonly TrustedKey[]> {
  return await Promise.all(
    paths.map(async (path) => {
      let pem: string;
      try {
        pem = await readFile(path, 'utf8');
      } catch (error) {
        const message = `Cannot read the signature key ${path}: ${messageOf(error)}`;
        throw new EngineError('unavailable', message, { cause: error });
      }
      return parseTrustedKey(pem, path);
    }),
  );
}

/** PEM text → key. Errors: `invalid` for anything but one public key of a known kind. */
export function parseTrustedKey(pem: string, path: string): TrustedKey {
  const blocks = pem.match(/-----BEGIN [^-\n]*-----/g) ?? [];
  if (blocks.length !== 1 || blocks[0] !== '-----BEGIN PUBLIC KEY-----') {
    throw refusal(path, 'it must hold one PEM "PUBLIC KEY"');
  }
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw refusal(path, messageOf(error));
  }
  return { path, algorithm: algorithmOf(key, path), key };
}

function algorithmOf(key: KeyObject, path: string): TrustedKey['algorithm'] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type === 'ed25519') return 'ed25519';
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ecdsa-p256';
  if (type === 'rsa') {
    const bits = details?.modulusLength ?? 0;
    if (bits >= RSA_MIN_BITS) return 'rsa';
    throw refusal(path, `it has ${bits} bits, at least ${RSA_MIN_BITS} are needed`);
  }
  throw refusal(path, 'only ECDSA P-256, RSA and Ed25519 keys are supported');
}

function refusal(path: string, why: string): EngineError {
  return new EngineError('invalid', `Cannot use the signature key ${path}: ${why}`);
}

/** Whether `key` signed exactly `payload`. */
export function isSignedBy(key: TrustedKey, payload: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.algorithm === 'ed25519' ? null : 'sha256', payload, key.key, signature);
  } catch {
    // A malformed signature is one that nobody made.
    return false;
  }
}
