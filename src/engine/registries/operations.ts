/** Operations on registries. Source: Engine API `/distribution`, `/images/search`; `docker manifest`. */

import { EngineError } from '../../base/error.ts';
import type { RemoteDocument } from '../../images/remote.ts';
import type { DistributionInspect, SearchResult } from '../../spec/docker/registry.ts';
import { documentKindOf } from '../../spec/media-type.ts';
import { parseReference, withDefaultTag } from '../../spec/reference.ts';
import { checkFilterKeys, filterValues, parseFilterBoolean } from '../filters.ts';
import { withDockerWords } from '../images/remote.ts';
import type { Filters } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import type { IndexUpload, RegistryOperations, RegistryQuestion } from '../registry.ts';

const SEARCH_KEYS: ReadonlySet<string> = new Set(['is-automated', 'is-official', 'stars']);
const LIMIT_DEFAULT = 25;
const LIMIT_MAX = 100;

type Parts = Pick<EngineParts, 'remote'>;

/** The operations over `parts`. */
export function registryOperations(parts: Parts): RegistryOperations {
  return {
    inspect: async (text, options) => {
      const { descriptor, platforms } = await look(parts, text, options);
      const { mediaType, digest, size } = descriptor;
      return {
        Descriptor: { mediaType, digest, size },
        Platforms: platforms,
      } satisfies DistributionInspect;
    },
    manifest: async (text, options) => {
      const { descriptor, platforms, bytes } = await look(parts, text, options);
      const isIndex = documentKindOf(descriptor.mediaType) === 'index';
      const [platform] = isIndex ? [] : platforms;
      return {
        descriptor: platform === undefined ? descriptor : { ...descriptor, platform },
        bytes,
      };
    },
    search: async (term, options) => await search(parts, term, options),
    putIndex: async (text, upload) => await putIndex(parts, text, upload),
  };
}

async function look(
  parts: Parts,
  text: string,
  options: RegistryQuestion & { readonly isInsecure?: boolean },
): Promise<RemoteDocument> {
  const reference = withDefaultTag(parseReference(text));
  const { signal, isInsecure } = options;
  return await withDockerWords(reference, async () =>
    parts.remote.look({
      reference,
      credentials: parts.remote.decodeAuth(options.auth),
      ...(isInsecure === undefined ? {} : { isInsecure }),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
}

async function search(
  parts: Parts,
  term: string,
  options: Parameters<RegistryOperations['search']>[1],
): Promise<readonly SearchResult[]> {
  if (term === '') throw new EngineError('invalid', "Bad parameter: 'term' is required");
  const { limit = LIMIT_DEFAULT, filters, signal } = options;
  if (limit < 1 || limit > LIMIT_MAX)
    throw new EngineError('invalid', `limit ${limit} is outside the range of [1, ${LIMIT_MAX}]`);
  const accept = compileSearchFilter(filters);
  const hits = await parts.remote.search({
    term,
    limit,
    credentials: parts.remote.decodeAuth(options.auth),
    ...(signal === undefined ? {} : { signal }),
  });
  return hits
    .map(({ name, description, stars, isOfficial }) => ({
      name,
      description,
      star_count: stars,
      is_official: isOfficial,
      is_automated: false,
    }))
    .filter(accept);
}

/** Errors: `invalid`. */
function compileSearchFilter(filters: Filters): (hit: SearchResult) => boolean {
  checkFilterKeys(filters, SEARCH_KEYS);
  const flags = (key: string): readonly boolean[] =>
    filterValues(filters, key).map((text) => parseFilterBoolean(key, text));
  const official = flags('is-official');
  const automated = flags('is-automated');
  const stars = filterValues(filters, 'stars').map((text) => {
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new EngineError('invalid', `invalid filter 'stars=${text}'`);
  });
  return (hit) =>
    official.every((wanted) => hit.is_official === wanted) &&
    automated.every((wanted) => hit.is_automated === wanted) &&
    stars.every((count) => hit.star_count >= count);
}

async function putIndex(
  parts: Parts,
  text: string,
  upload: IndexUpload,
): Promise<{ readonly digest: string }> {
  const { domain, path, tag, digest } = withDefaultTag(parseReference(text));
  if (tag === undefined || digest !== undefined)
    throw new EngineError('invalid', 'Cannot push manifest list: its name needs a tag');
  const { mediaType, bytes, isInsecure, signal } = upload;
  const sources = upload.sources.map((source) => {
    const reference = parseReference(source);
    if (reference.digest !== undefined) return { reference, digest: reference.digest };
    throw new EngineError('invalid', `Cannot push manifest list: ${source} has no digest`);
  });
  return {
    digest: await parts.remote.place({
      reference: { domain, path, tag },
      mediaType,
      bytes,
      sources,
      isInsecure,
      credentials: parts.remote.decodeAuth(upload.auth),
      ...(signal === undefined ? {} : { signal }),
    }),
  };
}
