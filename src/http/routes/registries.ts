/**
 * What registries have: Docker's questions, and carve's own way for manifest
 * lists, so that the daemon's mirrors, certificates and proxies serve clients too.
 *
 * Source: Docker Engine API 1.51, Distribution, `/images/search`.
 */

import { EngineError } from '../../base/error.ts';
import type { RegistryOperations } from '../../engine/registry.ts';
import type { Call } from '../call.ts';
import { list, object, text } from '../decode/shape.ts';
import { json, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { authOf } from './image-streams.ts';

/** Body of `POST /carve/registry/{name}/index`. */
interface IndexBody {
  readonly mediaType?: string;
  /** Base64. */
  readonly raw?: string;
  readonly sources?: readonly string[];
}

const indexBody = object<IndexBody>({ mediaType: text, raw: text, sources: list(text) });

/** Routes over `registries`. */
export function registryRoutes(registries: RegistryOperations): readonly Route[] {
  return [
    { method: 'GET', path: '/images/search', handle: (call) => search(registries, call) },
    {
      method: 'GET',
      path: '/distribution/{name}/json',
      since: 30,
      handle: async (call) =>
        json(await registries.inspect(call.name, { ...authOf(call), signal: call.signal })),
    },
    {
      method: 'GET',
      path: '/carve/registry/{name}/manifest',
      handle: (call) => manifest(registries, call),
    },
    {
      method: 'POST',
      path: '/carve/registry/{name}/index',
      handle: (call) => putIndex(registries, call),
    },
  ];
}

async function search(registries: RegistryOperations, call: Call): Promise<Reply> {
  const limit = call.query.integer('limit');
  const hits = await registries.search(call.query.text('term') ?? '', {
    ...(limit === undefined || limit === 0 ? {} : { limit }),
    filters: call.filters,
    ...authOf(call),
    signal: call.signal,
  });
  return json(hits);
}

async function manifest(registries: RegistryOperations, call: Call): Promise<Reply> {
  const { descriptor, bytes } = await registries.manifest(call.name, {
    ...authOf(call),
    isInsecure: call.query.boolean('insecure'),
    signal: call.signal,
  });
  return json({ Descriptor: descriptor, Raw: Buffer.from(bytes).toString('base64') });
}

async function putIndex(registries: RegistryOperations, call: Call): Promise<Reply> {
  const { mediaType, raw, sources = [] } = (await call.body(indexBody)) ?? {};
  if (mediaType === undefined || raw === undefined)
    throw new EngineError('invalid', 'Invalid request body: mediaType and raw are required');
  const { digest } = await registries.putIndex(call.name, {
    mediaType,
    bytes: Buffer.from(raw, 'base64'),
    sources,
    isInsecure: call.query.boolean('insecure'),
    ...authOf(call),
    signal: call.signal,
  });
  return json({ Digest: digest });
}
