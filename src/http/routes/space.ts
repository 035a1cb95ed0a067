/** carve's own: the room images take, and the collection by the operator's policy. */

import type { ImageOperations } from '../../engine/engine.ts';
import { json } from '../reply.ts';
import type { Route } from '../route.ts';

/** Routes over `images`. */
export function spaceRoutes(images: ImageOperations): readonly Route[] {
  return [
    {
      method: 'GET',
      path: '/carve/images/tree',
      handle: async () => json(await images.tree()),
    },
    {
      method: 'POST',
      path: '/carve/gc',
      handle: async (call) =>
        json(await images.collect({ isPlan: call.query.boolean('plan'), signal: call.signal })),
    },
  ];
}
