/**
 * Searching a registry by the old search endpoint, which Docker Hub and a few
 * others have; distribution registries have none.
 *
 * Source: Docker registry API v1 "Search"; Engine API `/images/search`.
 */

import { EngineError, isEngineError } from '../../base/error.ts';
import { DEFAULT_DOMAIN } from '../../spec/reference.ts';
import type { SearchHit, SearchOptions } from '../remote.ts';
import type { RegistryAccess } from './access.ts';
import { pushEndpoint, type Endpoint } from './endpoint.ts';
import { readBounded } from './read.ts';

/** Largest answer in bytes: a hundred results with long descriptions. */
const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
/** Docker Hub answers searches at a host of its own. */
const HUB_SEARCH = 'https://index.docker.io';

/** Where to search, and for what: the first part of a term with a dot or colon is a host. */
export function splitTerm(term: string): { readonly host: string; readonly words: string } {
  const slash = term.indexOf('/');
  const first = term.slice(0, Math.max(0, slash));
  const isHost = /[.:]/.test(first) || first === 'localhost';
  if (!isHost) return { host: DEFAULT_DOMAIN, words: term };
  const host = first === 'index.docker.io' ? DEFAULT_DOMAIN : first;
  return { host, words: term.slice(slash + 1) };
}

/** Repositories that fit. Errors: `not-found` when the registry has no search. */
export async function searchRegistry(
  access: RegistryAccess,
  { term, limit, credentials, signal }: SearchOptions,
): Promise<readonly SearchHit[]> {
  if (term.includes('://'))
    throw new EngineError('invalid', `invalid repository name (${term.slice(0, 200)})`);
  const { host, words } = splitTerm(term);
  // Docker Hub keeps its own images below library/, which no one types.
  const query = host === DEFAULT_DOMAIN ? words.replace(/^library\//, '') : words;
  const session = await access.session(endpointOf(access, host), credentials);
  try {
    const response = await session.send({
      method: 'GET',
      target: `/v1/search?q=${encodeURIComponent(query)}&n=${limit}`,
      headers: { Accept: 'application/json', 'X-Docker-Token': 'true' },
      scopes: [],
      accept: [200],
      action: `search ${host}`,
      signal,
    });
    return decodeHits(
      await readBounded(response.body, MAX_ANSWER_BYTES, `the answer of ${host}`),
      host,
    );
  } catch (error) {
    if (!isEngineError(error) || error.details['status'] !== 404) throw error;
    throw new EngineError('not-found', `Cannot search ${host}: this registry has no search`, {
      cause: error,
    });
  }
}

function endpointOf(access: RegistryAccess, host: string): Endpoint {
  const endpoint = pushEndpoint({ domain: host, path: '' }, access.config);
  return host === DEFAULT_DOMAIN ? { ...endpoint, baseUrls: [HUB_SEARCH] } : endpoint;
}

function decodeHits(bytes: Uint8Array, host: string): readonly SearchHit[] {
  let answer: unknown;
  try {
    answer = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw new EngineError('unavailable', `Cannot search ${host}: it did not answer with JSON`, {
      cause,
    });
  }
  const results: unknown =
    typeof answer === 'object' && answer !== null && 'results' in answer ? answer.results : [];
  if (!Array.isArray(results))
    throw new EngineError('unavailable', `Cannot search ${host}: its answer has no results`);
  return results.flatMap((result: unknown): readonly SearchHit[] => {
    if (typeof result !== 'object' || result === null) return [];
    const fields = new Map<string, unknown>(Object.entries(result));
    const name = fields.get('name');
    const description = fields.get('description');
    const stars = fields.get('star_count');
    if (typeof name !== 'string' || name === '') return [];
    return [
      {
        name,
        description: typeof description === 'string' ? description : '',
        stars: typeof stars === 'number' && Number.isSafeInteger(stars) ? stars : 0,
        isOfficial: fields.get('is_official') === true,
      },
    ];
  });
}
