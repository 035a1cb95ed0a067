/** Reads what making an engine's groups depends on. */

import { readFile } from 'node:fs/promises';
import type { CgroupLayout } from './layout.ts';
import { findHierarchy } from './layout.ts';
import type { CgroupFacts, EngineGroup } from './setup.ts';
import { enginePath } from './setup.ts';

/** What `planEngineCgroups` needs to know. */
export async function readCgroupFacts(
  layout: CgroupLayout,
  group: EngineGroup,
): Promise<CgroupFacts> {
  if (layout.version === 2) return { cpuset: undefined, devicesList: undefined };
  const cpuset = findHierarchy(layout, 'cpuset')?.mountPoint;
  const devices = findHierarchy(layout, 'devices')?.mountPoint;
  const list =
    devices === undefined ? '' : await readOrEmpty(`${enginePath(devices, group)}/devices.list`);
  return {
    cpuset:
      cpuset === undefined
        ? undefined
        : {
            cpus: await readOrEmpty(`${cpuset}/cpuset.cpus`),
            mems: await readOrEmpty(`${cpuset}/cpuset.mems`),
          },
    devicesList: list === '' ? undefined : list,
  };
}

async function readOrEmpty(path: string): Promise<string> {
  return await readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}
