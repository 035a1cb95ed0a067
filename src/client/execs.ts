/**
 * The exec endpoints of the Engine API, typed.
 *
 * Source: Docker Engine API 1.51, "Exec"; `/carve/plan` is carve's own.
 */

import type { ExecConfig } from '../spec/docker/container.ts';
import type { ExecInspect } from '../spec/docker/inspect.ts';
import { encodeSegment } from './http/message.ts';
import type { HijackedStream, Transport } from './transport.ts';
import type { CallOptions, ConsoleSize, ExplainedPlan } from './types.ts';

/** How to start an exec. */
export interface ExecStartOptions extends CallOptions {
  readonly tty: boolean;
  readonly consoleSize?: ConsoleSize | undefined;
}

/** Operations on execs. Ids are 64 hex digits. Every method throws `EngineError`. */
export interface ExecClient {
  create(ref: string, config: ExecConfig): Promise<{ readonly Id: string }>;
  /** Starts it and hands over its streams. */
  start(id: string, options: ExecStartOptions): Promise<HijackedStream>;
  /** Starts it and leaves it alone. */
  startDetached(id: string, options: ExecStartOptions): Promise<void>;
  resize(id: string, size: ConsoleSize): Promise<void>;
  inspect(id: string): Promise<ExecInspect>;
  /** The plan an exec would run; changes nothing. */
  plan(ref: string, config: ExecConfig): Promise<ExplainedPlan>;
}

/** The exec endpoints of one engine. */
export function createExecClient(transport: Transport): ExecClient {
  const startBody = (isDetached: boolean, { tty, consoleSize }: ExecStartOptions): object => ({
    Detach: isDetached,
    Tty: tty,
    ...(consoleSize === undefined ? {} : { ConsoleSize: [consoleSize.rows, consoleSize.columns] }),
  });
  const pathOf = (id: string, verb: string): string => `/exec/${encodeSegment(id)}${verb}`;
  return {
    create: (ref, config) =>
      transport.json({
        method: 'POST',
        path: `/containers/${encodeSegment(ref)}/exec`,
        json: config,
      }),
    start: (id, options) =>
      transport.hijack({
        method: 'POST',
        path: pathOf(id, '/start'),
        json: startBody(false, options),
        signal: options.signal,
      }),
    startDetached: async (id, options) => {
      await transport.send({
        method: 'POST',
        path: pathOf(id, '/start'),
        json: startBody(true, options),
        signal: options.signal,
      });
    },
    resize: async (id, { rows, columns }) => {
      await transport.send({
        method: 'POST',
        path: pathOf(id, '/resize'),
        query: { h: rows, w: columns },
      });
    },
    inspect: (id) => transport.json({ method: 'GET', path: pathOf(id, '/json') }),
    plan: (ref, config) =>
      transport.json({
        method: 'POST',
        path: `/carve/plan/exec/${encodeSegment(ref)}`,
        json: config,
      }),
  };
}
