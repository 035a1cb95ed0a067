/**
 * Which images may be pulled: by repository allowed, denied, or only with a
 * signature. One file, default `/etc/carve/policy.json`. Pure.
 *
 *     {
 *       "repositories": {
 *         "*":                       "deny",
 *         "docker.io/library/*":     "allow",
 *         "registry.example/team/*": {
 *           "require": { "keys": ["/etc/carve/team.pem"], "identity": "repository" }
 *         }
 *       }
 *     }
 *
 * A key is a repository in full (`docker.io/library/debian`), all repositories
 * below a path (`registry.example/team/*`), or `*` for every one; the most
 * specific key wins, and what no key speaks of is allowed.
 *
 * **Invariant:** spellings of one registry (letter case, port 443) match the same
 * key, so that none is a way around a rule.
 */

import { EngineError } from '../../base/error.ts';
import { repositoryOf, tryParseReference, type Reference } from '../../spec/reference.ts';

/** What happens to images of a repository. */
export type PullRule =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  | {
      readonly kind: 'require';
      /** Host paths of PEM public keys; a signature by any one of them is enough. Never empty. */
      readonly keys: readonly string[];
      /**
       * Whether a signature made under another repository's name counts (`any`, as with
       * cosign, so that signed images can be copied) or not (`repository`; a signature in
       * a sigstore bundle names none, and does not count then).
       */
      readonly identity: 'any' | 'repository';
    };

/** Rules by repository pattern, as {@link repositoryKey} writes them. */
export interface PullPolicy {
  readonly rules: ReadonlyMap<string, PullRule>;
}

/** Everything is allowed. */
export const ALLOW_ALL_POLICY: PullPolicy = { rules: new Map() };

const ALLOW: PullRule = { kind: 'allow' };

/** Parse the file's text. Errors: `invalid`, naming the key. */
export function parsePullPolicy(text: string): PullPolicy {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EngineError('invalid', 'Cannot read pull policy: the file is not JSON', {
      operation: 'policy.parse',
      cause: error,
    });
  }
  const root = asObject(value, 'the file');
  refuseUnknown(root, ['repositories'], 'the file');
  const rules = new Map<string, PullRule>();
  for (const [pattern, rule] of Object.entries(
    asObject(root['repositories'], 'repositories of the file'),
  )) {
    const where = `repositories["${pattern}"]`;
    const key = parsePattern(pattern, where);
    if (rules.has(key)) throw invalid(where, 'names what another key names already');
    rules.set(key, parseRule(rule, where));
  }
  return { rules };
}

/** The rule for a repository; allowed when nothing is said of it. */
export function ruleFor(policy: PullPolicy, reference: Reference): PullRule {
  let key = repositoryKey(reference);
  const exact = policy.rules.get(key);
  if (exact !== undefined) return exact;
  for (let slash = key.lastIndexOf('/'); slash !== -1; slash = key.lastIndexOf('/')) {
    key = key.slice(0, slash);
    const rule = policy.rules.get(`${key}/*`);
    if (rule !== undefined) return rule;
  }
  return policy.rules.get('*') ?? ALLOW;
}

/** One spelling for every way to name a repository: `registry.example/team/app`. */
export function repositoryKey(reference: Reference): string {
  const domain = reference.domain.toLowerCase().replace(/:0*443$/, '');
  return `${domain}/${reference.path}`;
}

function parsePattern(pattern: string, where: string): string {
  if (pattern === '*') return pattern;
  const isTree = pattern.endsWith('/*');
  const stem = isTree ? pattern.slice(0, -2) : pattern;
  // A path may be a registry alone, which is no repository: one far below is parsed in its place.
  const suffix = isTree ? '/x/x' : '';
  const reference = tryParseReference(stem + suffix);
  if (reference === undefined) throw invalid(where, 'is not a repository');
  if (reference.tag !== undefined || reference.digest !== undefined)
    throw invalid(where, 'must name a repository, without tag or digest');
  if (repositoryOf(reference) !== stem + suffix)
    throw invalid(where, 'must begin with a registry, as docker.io/library/debian does');
  const key = repositoryKey(reference);
  return isTree ? `${key.slice(0, key.length - suffix.length)}/*` : key;
}

function parseRule(value: unknown, where: string): PullRule {
  if (value === 'allow' || value === 'deny') return { kind: value };
  if (typeof value === 'string') throw invalid(where, 'must be "allow", "deny" or an object');
  const object = asObject(value, where);
  refuseUnknown(object, ['require'], where);
  const inner = `${where}.require`;
  const require = asObject(object['require'], inner);
  refuseUnknown(require, ['keys', 'identity'], inner);
  const identity = require['identity'] ?? 'any';
  if (identity !== 'any' && identity !== 'repository')
    throw invalid(`${inner}.identity`, 'must be any or repository');
  return { kind: 'require', keys: parseKeys(require['keys'], `${inner}.keys`), identity };
}

function parseKeys(value: unknown, where: string): readonly string[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  if (items.length === 0) throw invalid(where, 'must be a list of at least one path');
  return items.map((item, index) => {
    if (typeof item !== 'string' || !item.startsWith('/'))
      throw invalid(`${where}[${index}]`, 'must be an absolute path');
    return item;
  });
}

function invalid(where: string, problem: string): EngineError {
  return new EngineError('invalid', `Cannot read pull policy: ${where} ${problem}`, {
    operation: 'policy.parse',
  });
}

function asObject(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid(where, 'must be an object');
  return Object.fromEntries(Object.entries(value));
}

function refuseUnknown(
  object: Readonly<Record<string, unknown>>,
  known: readonly string[],
  where: string,
): void {
  const unknown = Object.keys(object).find((key) => !known.includes(key));
  if (unknown !== undefined)
    throw invalid(where, `has an unknown key "${unknown}" (known: ${known.join(', ')})`);
}
