/**
 * What a signature says: a small JSON document that names an image by digest.
 * Read only after its signature was found good. Pure.
 *
 * Source: containers/image "simple signing" payload; cosign's signature specification.
 */

import { quoteText } from '../../base/quote.ts';
import type { Digest } from '../../base/brand.ts';
import { parseDigest } from '../../spec/digest.ts';
import { parseReference, type Reference } from '../../spec/reference.ts';
import { Fields } from '../fields.ts';

/** Largest payload that is read, in bytes. */
export const PAYLOAD_MAX_BYTES: number = 64 * 1024;

/** `critical.type` of cosign's payloads. */
const PAYLOAD_TYPE = 'cosign container image signature';

/** What was signed. */
export interface SignedClaim {
  /** Digest of the manifest or index. */
  readonly digest: Digest;
  /** Name the image was signed under; `undefined` when the signer left it out. */
  readonly identity: Reference | undefined;
}

/** Bytes → claim. Errors: `invalid`, `exhausted`. */
export function parseClaim(payload: Uint8Array): SignedClaim {
  const fields = Fields.parse(payload, 'signature payload', PAYLOAD_MAX_BYTES);
  const critical = fields.object('critical');
  const type = critical.text('type');
  if (type !== PAYLOAD_TYPE)
    throw critical.refuse(`its type ${quoteText(type, 100)} is not one of an image`);
  const name = critical.optionalObject('identity')?.optionalText('docker-reference') ?? '';
  return {
    digest: parseDigest(critical.object('image').text('docker-manifest-digest')),
    identity: name === '' ? undefined : parseReference(name),
  };
}
