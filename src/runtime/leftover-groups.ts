/** Control groups of containers that the machine still has, whoever made them. */

import { readdir } from 'node:fs/promises';
import type { HostPath } from '../base/brand.ts';
import { hostPath } from '../base/host-path.ts';
import { isContainerId } from '../base/id.ts';
import type { CgroupLayout } from '../kernel/cgroup/layout.ts';
import type { CgroupPlace } from '../kernel/cgroup/place.ts';
import { ENGINE_PARENT } from './plan/cgroups.ts';

/** Places by container id, of everything below an engine's groups. */
export async function findGroups(
  layout: CgroupLayout,
  engineId: string,
): Promise<ReadonlyMap<string, readonly CgroupPlace[]>> {
  const found = new Map<string, CgroupPlace[]>();
  for (const group of [engineId, `${engineId}.devices`]) {
    const places =
      layout.version === 2
        ? await placesV2(layout.mountPoint, group)
        : await placesV1(layout, group);
    for (const [name, place] of places) found.set(name, [...(found.get(name) ?? []), place]);
  }
  return found;
}

async function placesV2(root: HostPath, group: string): Promise<ReadonlyMap<string, CgroupPlace>> {
  const places = new Map<string, CgroupPlace>();
  for (const [name, directory] of await directoriesIn(root, group)) {
    places.set(name, { version: 2, directory, devices: 'shared', ancestors: [], controllers: [] });
  }
  return places;
}

async function placesV1(
  layout: Extract<CgroupLayout, { version: 1 }>,
  group: string,
): Promise<ReadonlyMap<string, CgroupPlace>> {
  const directories = new Map<string, Record<string, HostPath>>();
  for (const { mountPoint, controllers } of layout.hierarchies) {
    for (const [name, directory] of await directoriesIn(mountPoint, group)) {
      directories.set(name, { ...directories.get(name), [controllers.join(',')]: directory });
    }
  }
  const unified = new Map(
    layout.unified === undefined ? [] : await directoriesIn(layout.unified, group),
  );
  const places = new Map<string, CgroupPlace>();
  for (const name of new Set([...directories.keys(), ...unified.keys()])) {
    places.set(name, {
      version: 1,
      directories: directories.get(name) ?? {},
      unified: unified.get(name),
      trees: {},
      sharedDevices: undefined,
      ancestors: [],
    });
  }
  return places;
}

async function directoriesIn(
  root: HostPath,
  group: string,
): Promise<readonly (readonly [string, HostPath])[]> {
  const parent = `${root}${ENGINE_PARENT}/${group}`;
  const names = await readdir(parent).catch(() => []);
  return names
    .filter((name) => isContainerId(name))
    .map((name) => [name, hostPath(`${parent}/${name}`)] as const);
}
