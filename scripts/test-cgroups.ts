/** A group for the test run in every cgroup hierarchy, below `carve`; its namespace sees it as the root. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Milliseconds for the kernel to let go of the last process. */
const PATIENCE_MS = 3_000;

/** Paths of the new groups. `id`: part of their name. */
export function makeTestCgroups(mountinfo: string, id: number): readonly string[] {
  return hierarchies(mountinfo).map((root) => {
    const parent = join(root, 'carve');
    const group = join(parent, `test-${id}`);
    for (const path of [parent, group]) makeGroup(path);
    return group;
  });
}

/** Mount points of every hierarchy, v1 and v2. */
export function hierarchies(mountinfo: string): readonly string[] {
  const lines = mountinfo.split('\n').map((line) => line.split(' '));
  return lines
    .filter((fields) => /^cgroup2?$/.test(fields[fields.indexOf('-') + 1] ?? ''))
    .map((fields) => fields[4] ?? '');
}

/** A new group can be entered, and has what its parent has: v1 cpusets start empty, v2 controllers start off. */
function makeGroup(path: string): void {
  const parent = join(path, '..');
  mkdirSync(path, { recursive: true });
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const isV1 = existsSync(join(path, 'cgroup.clone_children'));
    if (
      isV1 &&
      existsSync(join(path, file)) &&
      readFileSync(join(path, file), 'utf8').trim() === ''
    ) {
      writeFileSync(join(path, file), readFileSync(join(parent, file)));
    }
  }
  if (!existsSync(join(parent, 'cgroup.subtree_control'))) return;
  const controllers = readFileSync(join(parent, 'cgroup.controllers'), 'utf8').trim().split(' ');
  for (const name of controllers.filter((one) => one !== '')) enable(parent, name);
}

function enable(group: string, controller: string): void {
  try {
    writeFileSync(join(group, 'cgroup.subtree_control'), `+${controller}`);
  } catch {
    // The machine keeps this controller to itself: the tests that need it will say so.
  }
}

/** Removes the groups and all below them; their processes are gone. */
export function removeTestCgroups(groups: readonly string[]): void {
  const deadline = performance.now() + PATIENCE_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (!groups.every((group) => removeGroup(group)) && performance.now() < deadline) {
    Atomics.wait(pause, 0, 0, 20);
  }
}

/** False while something is still in it. */
function removeGroup(path: string): boolean {
  if (!existsSync(path)) return true;
  const children = readdirSync(path, { withFileTypes: true }).filter((one) => one.isDirectory());
  for (const child of children) removeGroup(join(path, child.name));
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
