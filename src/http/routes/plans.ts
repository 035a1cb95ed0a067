/**
 * carve's own: what a verb would do, as data, without doing it.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerOperations, ExecOperations, ExplainedPlan } from '../../engine/engine.ts';
import { createBody, execConfig } from '../decode/container.ts';
import { encodeBigJson } from '../json.ts';
import { type BodyReply, jsonType } from '../reply.ts';
import type { Route } from '../route.ts';
import { shapeCreate } from '../shape/create.ts';

/** Routes over the planners of `containers` and `execs`. */
export function planRoutes(
  containers: ContainerOperations,
  execs: ExecOperations,
): readonly Route[] {
  return [
    {
      method: 'POST',
      path: '/carve/plan/run',
      handle: async (call) => {
        const query = {
          name: call.query.nonEmpty('name'),
          platform: call.query.nonEmpty('platform'),
        };
        const request = shapeCreate(await call.body(createBody), query, call.version);
        return planReply(await containers.planRun(request));
      },
    },
    {
      method: 'POST',
      path: '/carve/plan/start/{name}',
      handle: async (call) => planReply(await containers.planStart(call.name)),
    },
    {
      method: 'POST',
      path: '/carve/plan/exec/{name}',
      handle: async (call) => {
        const config = await call.body(execConfig);
        if (config?.Cmd === undefined || config.Cmd === null || config.Cmd.length === 0) {
          throw new EngineError('invalid', 'No exec command specified');
        }
        return planReply(await execs.plan(call.name, config));
      },
    },
  ];
}

/** Fields of operations may be bytes and 64-bit numbers. */
function planReply(plan: ExplainedPlan): BodyReply {
  return { kind: 'body', status: 200, contentType: jsonType, body: `${encodeBigJson(plan)}\n` };
}
