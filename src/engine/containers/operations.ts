/** The container operations of the contract, each in a file of its own. */

import type { ContainerOperations } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { archiveOperations } from './archive.ts';
import { attachContainer } from './attach.ts';
import { copyOperations } from './copy/operations.ts';
import { createContainer } from './create.ts';
import { inspectContainer } from './inspect.ts';
import { listContainers } from './list.ts';
import { readLogs } from './logs.ts';
import { pauseContainer, unpauseContainer } from './pause.ts';
import { planRun, planStart } from './plan.ts';
import { pruneContainers } from './prune.ts';
import { removeContainer } from './remove.ts';
import { renameContainer } from './rename.ts';
import { resizeContainer } from './resize.ts';
import { restartContainer } from './restart.ts';
import { startContainer } from './start.ts';
import { statsOf } from './stats.ts';
import { killContainer, stopContainer } from './stop.ts';
import { topContainer } from './top/top.ts';
import { updateContainer } from './update.ts';
import { waitContainer } from './wait.ts';

/** The operations over `parts`. */
export function containerOperations(parts: EngineParts): ContainerOperations {
  return {
    create: async (request) => createContainer(parts, request),
    start: async (ref) => startContainer(parts, ref),
    stop: async (ref, options) => stopContainer(parts, ref, options),
    restart: async (ref, options) => restartContainer(parts, ref, options),
    kill: async (ref, signalName) => killContainer(parts, ref, signalName),
    remove: async (ref, options = {}) =>
      removeContainer(parts, ref, {
        force: options.force ?? false,
        volumes: options.volumes ?? false,
      }),
    wait: (ref, condition, options) =>
      waitContainer(parts, ref, {
        condition,
        ...(options?.signal === undefined ? {} : { signal: options.signal }),
      }),
    attach: async (ref, options) => attachContainer(parts, ref, options),
    logs: async (ref, options) => readLogs(parts, ref, options),
    resize: async (ref, size) => resizeContainer(parts, ref, size),
    rename: async (ref, name) => renameContainer(parts, ref, name),
    pause: async (ref) => pauseContainer(parts, ref),
    unpause: async (ref) => unpauseContainer(parts, ref),
    top: async (ref, psArgs) => topContainer(parts, ref, psArgs),
    inspect: async (ref, options) => inspectContainer(parts, ref, options),
    list: async (options) => listContainers(parts, options),
    update: async (ref, resources) => updateContainer(parts, ref, resources),
    prune: async (filters) => pruneContainers(parts, filters),
    stats: (ref, options) => statsOf(parts, ref, options),
    ...archiveOperations(parts),
    ...copyOperations(parts),
    planRun: async (request) => planRun(parts, request),
    planStart: async (ref) => planStart(parts, ref),
  };
}
