/** `top`: a container's processes. Source: Engine API `GET /containers/{id}/top`. */

import { readFile, stat } from 'node:fs/promises';
import { EngineError } from '../../../base/error.ts';
import type { EngineParts } from '../../parts.ts';
import { announce } from '../announce.ts';
import type { ColumnContext } from './columns.ts';
import { columnsFor } from './columns.ts';
import type { ProcessFacts } from './process-table.ts';
import { parseProcess, parseUserNames } from './process-table.ts';

/** Docker's answer. */
export interface TopAnswer {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}

/** Errors: `conflict` when it does not run; `invalid` arguments. */
export async function topContainer(
  parts: EngineParts,
  ref: string,
  psArgs: string,
): Promise<TopAnswer> {
  const container = parts.containers.get(ref);
  const columns = columnsFor(psArgs);
  if (container.state.phase === 'restarting') {
    throw new EngineError(
      'conflict',
      `container ${container.id} is restarting, wait until the container is running`,
    );
  }
  if (container.live === undefined) {
    throw new EngineError('conflict', `container ${container.id} is not running`);
  }
  const pids = await container.live.runtime.pids();
  const userNames = parseUserNames(await readText('/etc/passwd'));
  const found = await Promise.all(pids.map(async (pid) => readProcess(pid, userNames)));
  const processes = found.filter((process) => process !== undefined).sort((a, b) => a.pid - b.pid);
  const context: ColumnContext = {
    nowS: Number(parts.clock.nowNs() / 1_000_000n) / 1000,
    bootS: await readBootTime(),
    memoryBytes: parts.host.memoryBytes,
  };
  announce(parts, container, 'top');
  return {
    Titles: columns.map((column) => column.title),
    Processes: processes.map((process) => columns.map((column) => column.cell(process, context))),
  };
}

/** `undefined` when it has gone in the meantime. */
async function readProcess(
  pid: number,
  userNames: ReadonlyMap<number, string>,
): Promise<ProcessFacts | undefined> {
  const directory = `/proc/${pid}`;
  try {
    const [text, cmdline, owner] = await Promise.all([
      readFile(`${directory}/stat`, 'utf8'),
      readFile(`${directory}/cmdline`, 'utf8'),
      stat(directory),
    ]);
    return parseProcess({ stat: text, cmdline, uid: owner.uid }, userNames);
  } catch {
    return undefined;
  }
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

/** Seconds since the epoch. */
async function readBootTime(): Promise<number> {
  return Number(/^btime (\d+)$/m.exec(await readText('/proc/stat'))?.[1] ?? 0);
}
