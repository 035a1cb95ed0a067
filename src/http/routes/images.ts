/**
 * Images: facts, names, removal.
 * Source: Docker Engine API 1.51, Image; engine-api facts 2, 5.9, 6.3.
 */

import { EngineError } from '../../base/error.ts';
import type { ImageOperations } from '../../engine/engine.ts';
import type { Call } from '../call.ts';
import { containerConfig } from '../decode/container.ts';
import { checkPlatform, parsePlatform, platformOption } from '../platform.ts';
import { empty, json, type Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { shapeImageInspect, shapeImageSummary } from '../shape/image.ts';

/** Routes over `images`. */
export function imageRoutes(images: ImageOperations): readonly Route[] {
  return [
    { method: 'GET', path: '/images/json', handle: (call) => listImages(images, call) },
    { method: 'GET', path: '/images/{name}/json', handle: (call) => inspect(images, call) },
    {
      method: 'GET',
      path: '/images/{name}/history',
      handle: async (call) =>
        json(await images.history(call.name, call.version >= 48 ? platformOption(call.query) : {})),
    },
    {
      method: 'POST',
      path: '/images/{name}/tag',
      handle: async (call) => {
        await images.tag(call.name, targetReference(call) ?? '');
        return empty(201);
      },
    },
    {
      method: 'DELETE',
      path: '/images/{name}',
      handle: async (call) =>
        json(
          await images.remove(call.name, {
            force: call.query.boolean('force'),
            noPrune: call.query.boolean('noprune'),
            ...(call.version >= 50 ? platformOption(call.query, 'platforms') : {}),
          }),
        ),
    },
    {
      method: 'POST',
      path: '/images/prune',
      since: 25,
      handle: async (call) => {
        const { deleted, spaceReclaimedBytes } = await images.prune(call.filters);
        return json({ ImagesDeleted: deleted, SpaceReclaimed: spaceReclaimedBytes });
      },
    },
    { method: 'POST', path: '/commit', handle: (call) => commit(images, call) },
  ];
}

async function listImages(images: ImageOperations, call: Call): Promise<Reply> {
  const { query } = call;
  const manifests = call.version >= 47 && query.boolean('manifests');
  const rows = await images.list({
    all: query.boolean('all'),
    filters: call.filters,
    digests: query.boolean('digests'),
    sharedSize: query.boolean('shared-size'),
    ...(manifests ? { manifests } : {}),
  });
  return json(rows.map((row) => shapeImageSummary(row, call.version, manifests)));
}

async function inspect(images: ImageOperations, call: Call): Promise<Reply> {
  const platform = call.version >= 49 ? parsePlatform(call.query) : undefined;
  const manifests = call.version >= 48 && call.query.boolean('manifests');
  if (manifests && platform !== undefined)
    throw new EngineError(
      'invalid',
      'conflicting options: manifests and platform options cannot both be set',
    );
  const image = await images.inspect(call.name, manifests ? { manifests } : {});
  if (platform !== undefined) checkPlatform(call.name, image, platform);
  return json(shapeImageInspect(image, call.version, manifests));
}

async function commit(images: ImageOperations, call: Call): Promise<Reply> {
  const { query } = call;
  const container = query.nonEmpty('container');
  if (container === undefined) {
    throw new EngineError('invalid', "Bad parameter: 'container' is required");
  }
  const config = await call.body(containerConfig);
  const reference = targetReference(call);
  const message = query.nonEmpty('comment');
  const author = query.nonEmpty('author');
  const { id } = await images.commit(container, {
    ...(reference === undefined ? {} : { reference }),
    ...(message === undefined ? {} : { message }),
    ...(author === undefined ? {} : { author }),
    pause: query.boolean('pause', true),
    changes: query.all('changes').filter((change) => change !== ''),
    ...(config === undefined ? {} : { config }),
  });
  return json({ Id: id }, 201);
}

/** `repo` and `tag` as one reference; `undefined` without a `repo`. */
export function targetReference(call: Call): string | undefined {
  const repository = call.query.nonEmpty('repo');
  const tag = call.query.nonEmpty('tag');
  if (repository === undefined) return undefined;
  return tag === undefined ? repository : `${repository}:${tag}`;
}
