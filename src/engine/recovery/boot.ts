/**
 * After adopting: containers that should run and do not are started, those
 * that should be gone are removed.
 *
 * Source: Engine API `RestartPolicy`, `AutoRemove`; engine-api facts 10.4.
 */

import { messageOf } from '../../base/error.ts';
import type { Container } from '../containers/container.ts';
import { relaunchOf } from '../containers/launch.ts';
import { removeStopped } from '../containers/remove.ts';
import { referredContainer } from '../containers/resolve-references.ts';
import { wantsBootStart } from '../containers/restart-policy.ts';
import { scheduleRestart } from '../containers/schedule-restart.ts';
import type { EngineParts } from '../parts.ts';

/** Apply policies. Does not wait for the starts. */
export async function applyPolicies(parts: EngineParts): Promise<void> {
  // Of a copy: the collection changes on the way.
  for (const container of Array.from(parts.containers.all())) {
    if (container.isAlive || container.state.phase === 'dead') continue;
    if (isLeftover(container))
      await removeStopped(parts, container, { volumes: true, force: false });
    else if (container.state.phase === 'restarting') resume(parts, container);
  }
  const wanted = [...parts.containers.all()].filter((container) => shouldStart(container));
  // Those whose namespaces others join come first.
  wanted.sort((a, b) => Number(dependsOnOther(a)) - Number(dependsOnOther(b)));
  void startAll(parts, wanted);
}

/** It ran, ended, and was to be removed then. */
function isLeftover(container: Container): boolean {
  return container.record.hostConfig.AutoRemove === true && container.state.phase === 'exited';
}

/** The wait was lost with the engine: a new one, unless `applyExit` began one already. */
function resume(parts: EngineParts, container: Container): void {
  if (container.restart !== undefined) return;
  scheduleRestart(parts, container, { ranMs: 0, relaunch: relaunchOf(parts) });
}

function shouldStart(container: Container): boolean {
  if (container.isAlive || container.isRemoving || container.state.phase === 'restarting')
    return false;
  if (container.state.phase === 'dead') return false;
  return wantsBootStart(container.record.hostConfig.RestartPolicy ?? {}, container.state);
}

function dependsOnOther(container: Container): boolean {
  const { NetworkMode, IpcMode, PidMode, UTSMode } = container.record.hostConfig;
  return [NetworkMode, IpcMode, PidMode, UTSMode].some(
    (mode) => referredContainer(mode) !== undefined,
  );
}

async function startAll(parts: EngineParts, containers: readonly Container[]): Promise<void> {
  const relaunch = relaunchOf(parts);
  for (const container of containers) {
    if (parts.isClosing()) return;
    try {
      await container.lock.run(async () => {
        if (!shouldStart(container)) return;
        await relaunch(container);
      });
    } catch (error) {
      parts.log.warn('start by policy failed', { id: container.id, error: messageOf(error) });
    }
  }
}
