/**
 * Images that travel: pull, push, load, save, import.
 * Source: Docker Engine API 1.51, Image; engine-api facts 5.6.
 */

import { EngineError } from '../../base/error.ts';
import type { ImageOperations } from '../../engine/engine.ts';
import type { Call } from '../call.ts';
import { platformOption } from '../platform.ts';
import { progressReply } from '../progress.ts';
import type { Reply, StreamReply } from '../reply.ts';
import type { Route } from '../route.ts';
import { targetReference } from './images.ts';

/** Routes over `images`. */
export function imageStreamRoutes(images: ImageOperations): readonly Route[] {
  return [
    { method: 'POST', path: '/images/create', handle: (call) => create(images, call) },
    { method: 'POST', path: '/images/{name}/push', handle: (call) => push(images, call) },
    {
      method: 'POST',
      path: '/images/load',
      handle: (call) =>
        progressReply(
          images.load(call.bodyStream(), {
            signal: call.signal,
            ...(call.version >= 48 ? platformOption(call.query) : {}),
          }),
        ),
    },
    {
      method: 'GET',
      path: '/images/get',
      handle: (call) => save(images, call, call.query.all('names')),
    },
    {
      method: 'GET',
      path: '/images/{name}/get',
      handle: (call) => save(images, call, [call.name]),
    },
  ];
}

function create(images: ImageOperations, call: Call): Promise<Reply> {
  const fromImage = call.query.nonEmpty('fromImage');
  const fromSource = call.query.nonEmpty('fromSrc');
  if (fromImage !== undefined) return pull(images, call, fromImage);
  if (fromSource !== undefined) return importArchive(images, call, fromSource);
  throw new EngineError('invalid', "Bad parameters: either 'fromImage' or 'fromSrc' is required");
}

async function pull(images: ImageOperations, call: Call, fromImage: string): Promise<Reply> {
  await call.ignoreBody();
  const { signal } = call;
  const platform = call.query.nonEmpty('platform');
  return progressReply(
    images.pull(withTag(fromImage, call.query.nonEmpty('tag')), {
      ...(platform === undefined ? {} : { platform }),
      ...authOf(call),
      signal,
    }),
  );
}

/** A tag may be a digest. */
function withTag(image: string, tag: string | undefined): string {
  // An old way to ask for all tags.
  if (tag === undefined) return image.replace(/:$/, '');
  return tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`;
}

async function importArchive(images: ImageOperations, call: Call, source: string): Promise<Reply> {
  const { query, signal } = call;
  const reference = targetReference(call);
  const message = query.nonEmpty('message');
  const platform = query.nonEmpty('platform');
  if (source !== '-') await call.ignoreBody();
  return progressReply(
    images.import(source === '-' ? call.bodyStream() : { url: source }, {
      ...(reference === undefined ? {} : { reference }),
      ...(message === undefined ? {} : { message }),
      changes: query.all('changes').filter((change) => change !== ''),
      ...(platform === undefined ? {} : { platform }),
      signal,
    }),
  );
}

async function push(images: ImageOperations, call: Call): Promise<Reply> {
  await call.ignoreBody();
  const { signal } = call;
  const tag = call.query.nonEmpty('tag');
  return progressReply(
    images.push(call.name, {
      ...(tag === undefined ? {} : { tag }),
      ...(call.version >= 46 ? platformOption(call.query) : {}),
      ...authOf(call),
      signal,
    }),
  );
}

async function save(
  images: ImageOperations,
  call: Call,
  names: readonly string[],
): Promise<StreamReply> {
  const refs = names.filter((name) => name !== '');
  if (refs.length === 0) throw new EngineError('invalid', "Bad parameter: 'names' is required");
  return {
    kind: 'stream',
    contentType: 'application/x-tar',
    pieces: await images.save(refs, {
      signal: call.signal,
      ...(call.version >= 48 ? platformOption(call.query) : {}),
    }),
    lateError: undefined,
  };
}

/** The credentials as the client sent them; absent: anonymous. */
export function authOf(call: Call): { readonly auth?: string } {
  const auth = call.header('x-registry-auth');
  return auth === undefined ? {} : { auth };
}
