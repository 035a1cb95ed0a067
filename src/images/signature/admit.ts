/**
 * The policy at work: an image is let in, or one sentence says why not.
 *
 * **Invariants**
 * - Whatever cannot be decided is refused: a key that cannot be read, a registry that fails.
 * - A signature counts for the digest it names and no other; it is read only after it verified.
 * - A signed index vouches for the manifests it lists; a signed manifest for itself only.
 */

import { EngineError, isEngineError } from '../../base/error.ts';
import type { Digest } from '../../base/brand.ts';
import { formatFamiliar, repositoryOf, type Reference } from '../../spec/reference.ts';
import type { RegistryClient } from '../registry/client.ts';
import { findSignatures, type AttachedSignature } from './find.ts';
import { isSignedBy, readTrustedKeys, type TrustedKey } from './keys.ts';
import type { SignedClaim } from './payload.ts';
import { repositoryKey, ruleFor, type PullPolicy, type PullRule } from './policy.ts';

/** An image that a policy may refuse. */
export interface Admission {
  readonly reference: Reference;
  /** What the reference led to, then what that led to, down to the manifest that will run. */
  readonly digests: readonly Digest[];
  readonly client: RegistryClient;
  readonly signal: AbortSignal | undefined;
}

type Requirement = Extract<PullRule, { readonly kind: 'require' }>;

/** Refuse repositories that are never pulled from, before anything is asked of them. Errors: `denied`. */
export function checkNotDenied(policy: PullPolicy, reference: Reference): void {
  if (ruleFor(policy, reference).kind === 'deny')
    throw denied(reference, `the pull policy denies images of ${repositoryOf(reference)}`);
}

/** Let an image in. Errors: `denied`; `invalid` and `unavailable` for keys; those of the registry. */
export async function admitImage(policy: PullPolicy, image: Admission): Promise<void> {
  checkNotDenied(policy, image.reference);
  const rule = ruleFor(policy, image.reference);
  if (rule.kind !== 'require') return;
  const keys = await readTrustedKeys(rule.keys);
  const doubts: Doubt[] = [];
  for (const digest of image.digests) {
    const search = { client: image.client, digest, signal: image.signal };
    for await (const attached of findSignatures(search)) {
      const doubt = examine(attached, { keys, rule, digest, reference: image.reference });
      if (doubt === undefined) return;
      doubts.push(doubt);
    }
  }
  throw denied(image.reference, reasonOf(doubts, rule, image.digests));
}

/** Why a signature does not count; the higher the rank, the more it tells. */
interface Doubt {
  readonly rank: 0 | 1 | 2;
  readonly why: string;
}

/** What a signature is held against. */
interface Expectation {
  readonly keys: readonly TrustedKey[];
  readonly rule: Requirement;
  readonly digest: Digest;
  readonly reference: Reference;
}

/** `undefined` when the signature is good. */
function examine(attached: AttachedSignature, expected: Expectation): Doubt | undefined {
  const { signed, signature } = attached;
  if (!expected.keys.some((key) => isSignedBy(key, signed, signature)))
    return { rank: 0, why: `is valid for ${keyWords(expected.rule)}` };
  let claim: SignedClaim;
  try {
    claim = attached.claim();
  } catch (error) {
    if (!isEngineError(error)) throw error;
    return { rank: 1, why: `can be used (${error.message})` };
  }
  if (claim.digest !== expected.digest)
    return { rank: 2, why: `is of this image: a trusted one is of ${claim.digest}` };
  if (expected.rule.identity === 'any') return undefined;
  const { identity } = claim;
  if (identity !== undefined && repositoryKey(identity) === repositoryKey(expected.reference))
    return undefined;
  const name = identity === undefined ? 'no repository' : repositoryOf(identity);
  return {
    rank: 2,
    why: `is for ${repositoryOf(expected.reference)}: a trusted one is for ${name}`,
  };
}

function reasonOf(doubts: readonly Doubt[], rule: Requirement, digests: readonly Digest[]): string {
  const [best] = doubts.toSorted((left, right) => right.rank - left.rank);
  if (best === undefined)
    return `the pull policy requires a signature by ${keyWords(rule)}, and ${digests.join(' or ')} has none`;
  return `the pull policy requires a signature, and none of the ${doubts.length} found ${best.why}`;
}

function keyWords({ keys }: Requirement): string {
  return keys.length === 1 ? `the key ${keys[0] ?? ''}` : `any of the keys ${keys.join(', ')}`;
}

function denied(reference: Reference, why: string): EngineError {
  return new EngineError('denied', `Cannot pull ${formatFamiliar(reference)}: ${why}`, {
    operation: 'policy.admit',
  });
}
