/**
 * From an exchange to its answer: version, route, call, reply, and what every
 * error becomes.
 *
 * Source: engine-api facts 1.1 (routing), 1.3 (headers, errors).
 */

import type { Log } from '../base/log.ts';
import { EngineError } from '../base/error.ts';
import type { Engine } from '../engine/engine.ts';
import { answer } from './answer.ts';
import { Call } from './call.ts';
import type { Heads } from './heads.ts';
import type { ServerIdentity } from './identity.ts';
import { empty, errorReply, type Reply } from './reply.ts';
import type { Route } from './route.ts';
import { Router } from './router.ts';
import { absentRoutes, refuseSwarm } from './routes/absent.ts';
import { archiveRoutes } from './routes/archive.ts';
import { containerStreamRoutes } from './routes/container-streams.ts';
import { containerRoutes } from './routes/containers.ts';
import { egressRoutes } from './routes/egress.ts';
import { execRoutes } from './routes/execs.ts';
import { imageStreamRoutes } from './routes/image-streams.ts';
import { imageRoutes } from './routes/images.ts';
import { networkRoutes } from './routes/networks.ts';
import { planRoutes } from './routes/plans.ts';
import { registryRoutes } from './routes/registries.ts';
import { spaceRoutes } from './routes/space.ts';
import { systemRoutes } from './routes/system.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { answerOfError } from './status.ts';
import { splitVersion } from './version.ts';
import type { Exchange, ExchangeHandler } from './wire/exchange.ts';

/** What the application needs. */
export interface AppOptions {
  readonly engine: Engine;
  readonly identity: ServerIdentity;
  readonly heads: Heads;
  readonly log: Log;
  /** Looks at a request before anything else; throws to refuse it. */
  readonly admit: (exchange: Exchange) => void;
}

/** Every route of the server, in no order. */
export function allRoutes(engine: Engine, identity: ServerIdentity): readonly Route[] {
  return [
    ...containerRoutes(engine.containers),
    ...containerStreamRoutes(engine.containers),
    ...archiveRoutes(engine.containers),
    ...execRoutes(engine.execs),
    ...imageRoutes(engine.images),
    ...imageStreamRoutes(engine.images),
    ...registryRoutes(engine.registries),
    ...spaceRoutes(engine.images),
    ...systemRoutes(engine.system, identity),
    ...networkRoutes(engine.networks),
    ...egressRoutes(engine.networks),
    ...volumeRoutes(engine.volumes),
    ...planRoutes(engine.containers, engine.execs),
    ...absentRoutes,
  ];
}

/** The handler of a server's exchanges. */
export function createApp(options: AppOptions): ExchangeHandler {
  const router = new Router<Route>();
  for (const route of allRoutes(options.engine, options.identity)) {
    router.add(route.method, route.path, route);
  }
  return async (exchange) => {
    let reply: Reply;
    try {
      options.admit(exchange);
      reply = await dispatch(router, exchange);
    } catch (error) {
      reply = replyOfError(exchange, error, options.log);
    }
    await answer(exchange, reply, options.heads);
  };
}

function dispatch(router: Router<Route>, exchange: Exchange): Promise<Reply> | Reply {
  const { method, target } = exchange.head;
  if (method === 'OPTIONS') return empty(200);
  const question = target.indexOf('?');
  const { version, path } = splitVersion(question === -1 ? target : target.slice(0, question));
  const match = router.find(method, path);
  if (match === undefined) {
    refuseSwarm(path);
    throw notFound();
  }
  const { route, name } = match;
  if (route.since !== undefined && version < route.since) throw notFound();
  const query = question === -1 ? '' : target.slice(question + 1);
  return route.handle(new Call(exchange, { version, name, query }));
}

/** An unknown path, or a known one with another method. */
function notFound(): EngineError {
  return new EngineError('not-found', 'page not found');
}

function replyOfError(exchange: Exchange, error: unknown, log: Log): Reply {
  const { status, message, isUnexpected } = answerOfError(error);
  if (isUnexpected && !exchange.signal.aborted) {
    const { method, target } = exchange.head;
    const [path] = target.split('?');
    const stack = error instanceof Error ? error.stack : undefined;
    log.error('request failed', { method, path, error: message, stack });
  }
  return errorReply(status, message);
}
