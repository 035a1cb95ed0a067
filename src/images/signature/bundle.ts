/**
 * Signatures as newer signers attach them: a sigstore bundle that holds an
 * envelope around a statement about the image. Pure.
 *
 * **Invariant:** of the envelope only what is needed to verify it is read before
 * its signature was found good; certificates and log entries beside it count for nothing.
 *
 * Source: sigstore bundle 0.3; DSSE 1.0 (pre-authentication encoding); in-toto
 * Statement 1; cosign's bundle specification.
 */

import { EngineError } from '../../base/error.ts';
import { quoteText } from '../../base/quote.ts';
import { parseDigest } from '../../spec/digest.ts';
import { Fields } from '../fields.ts';
import { PAYLOAD_MAX_BYTES, type SignedClaim } from './payload.ts';

/** Media type of a bundle, and type of the artifact that holds one. */
export const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
/** What a statement says that is a signature, as opposed to an attestation of something. */
export const SIGNATURE_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';
/** Largest bundle that is read, in bytes. */
export const BUNDLE_MAX_BYTES: number = 256 * 1024;

const STATEMENT_TYPE = 'application/vnd.in-toto+json';
/** Most signatures of one envelope that are looked at. */
const SIGNATURES_MAX = 16;

/** A statement, the bytes that were signed for it, and the signatures that are said to be over them. */
export interface Envelope {
  readonly payload: Uint8Array;
  readonly signed: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

/** The envelope of a bundle; `undefined`: it holds something else. Errors: `invalid`, `exhausted`. */
export function parseBundle(bytes: Uint8Array): Envelope | undefined {
  const fields = Fields.parse(bytes, 'signature bundle', BUNDLE_MAX_BYTES);
  const envelope = fields.optionalObject('dsseEnvelope');
  if (envelope?.text('payloadType') !== STATEMENT_TYPE) return undefined;
  const payload = Buffer.from(envelope.text('payload'), 'base64');
  return {
    payload,
    signed: Buffer.concat([
      Buffer.from(`DSSEv1 ${STATEMENT_TYPE.length} ${STATEMENT_TYPE} ${payload.length} `),
      payload,
    ]),
    signatures: envelope
      .objects('signatures', SIGNATURES_MAX)
      .map((signature) => Buffer.from(signature.text('sig'), 'base64')),
  };
}

/** What a statement says. It names no repository. Errors: `invalid`, also for an attestation; `exhausted`. */
export function parseStatement(payload: Uint8Array): SignedClaim {
  const fields = Fields.parse(payload, 'signed statement', PAYLOAD_MAX_BYTES);
  const predicate = fields.text('predicateType');
  if (predicate !== SIGNATURE_PREDICATE)
    throw fields.refuse(`it is no signature but says ${quoteText(predicate, 100)}`);
  const [subject, another] = fields.objects('subject', PAYLOAD_MAX_BYTES);
  if (subject === undefined || another !== undefined)
    throw new EngineError('invalid', 'Cannot use signed statement: it is not about one image');
  return {
    digest: parseDigest(`sha256:${subject.object('digest').text('sha256')}`),
    identity: undefined,
  };
}
