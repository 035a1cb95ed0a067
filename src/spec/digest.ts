/**
 * Content digests: the only door through which a string becomes a `Digest`,
 * and so may become part of a path or of a URL.
 *
 * **Invariant:** algorithm and encoding are checked against a closed table;
 * `md5:…`, upper-case hex, wrong lengths and separators never pass.
 * Source: OCI image-spec 1.1.1 descriptor.md "Digests".
 */
import type { Hash } from 'node:crypto';
import type { ChainId, Digest } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { quoteText } from '../base/quote.ts';

/** Algorithms carve computes, with the length of their encoding in hex digits. */
const HEX_LENGTHS = { sha256: 64, sha512: 128 } as const;

/** A digest algorithm carve can verify. */
export type DigestAlgorithm = keyof typeof HEX_LENGTHS;

const DIGEST = /^(sha256|sha512):([a-f0-9]+)$/;

/** True for text that is a well-formed digest of a supported algorithm. */
export function isDigest(text: string): text is Digest {
  const match = DIGEST.exec(text);
  return match !== null && match[2]?.length === HEX_LENGTHS[match[1] as DigestAlgorithm];
}

/** Text → digest. Errors: `invalid` when it is malformed or its algorithm is not supported. */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new EngineError(
    'invalid',
    `Cannot use digest ${quoteText(text, 100)}: it is not sha256:<64 hex digits> or sha512:<128 hex digits>`,
  );
}

/** Text → chain id; same grammar as a digest. Errors: `invalid`. */
export function parseChainId(text: string): ChainId {
  return parseDigest(text) as string as ChainId;
}

/** Chain id of a base layer: its diff id. */
export function baseChainId(diffId: Digest): ChainId {
  return diffId as string as ChainId;
}

/** True for a well-formed chain id. */
export function isChainId(text: string): text is ChainId {
  return isDigest(text);
}

/** sha256 digest of 64 hex digits, `undefined` when they are none. */
export function digestFromHex(hex: string): Digest | undefined {
  const text = `sha256:${hex}`;
  return isDigest(text) ? text : undefined;
}

/** Algorithm and encoding of a digest; both are safe as path components. */
export function splitDigest(digest: Digest): {
  readonly algorithm: DigestAlgorithm;
  readonly hex: string;
} {
  const colon = digest.indexOf(':');
  return { algorithm: digest.slice(0, colon) as DigestAlgorithm, hex: digest.slice(colon + 1) };
}

/** First 12 hex digits, as Docker prints ids. */
export function shortDigest(digest: Digest | ChainId): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}

/** A running hash of `algorithm` (default sha256); finish it with {@link digestOf}. */
export function createDigester(algorithm: DigestAlgorithm = 'sha256'): Hash {
  return process.getBuiltinModule('node:crypto').createHash(algorithm);
}

/** The digest a running hash stands at; the hash cannot be used after. */
export function digestOf(hash: Hash, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${hash.digest('hex')}` as Digest;
}

/** sha256 digest of bytes or UTF-8 text. */
export function digestBytes(data: Uint8Array | string): Digest {
  return digestOf(createDigester().update(data));
}

/**
 * Chain ids of a stack of layers, base first: entry n names layers 0..n together.
 * Source: OCI image-spec 1.1.1 config.md "Layer ChainID".
 */
export function chainIds(diffIds: readonly Digest[]): readonly ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(
      (parent === undefined ? diffId : digestBytes(`${parent} ${diffId}`)) as string as ChainId,
    );
  }
  return chain;
}
