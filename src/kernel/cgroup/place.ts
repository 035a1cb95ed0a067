/**
 * Where a container's control groups are: `<parent>/<engine>/<id>` in each
 * tree, so that two engines never meet.
 *
 * A version 1 tree costs a start some 80 µs (make, enter, remove), so a
 * container gets only the trees that give it something:
 *
 * | tree | what for |
 * |---|---|
 * | memory, pids, cpu | limits; CPU time shared fairly between containers |
 * | the version 2 tree of a hybrid machine | freeze, kill, CPU time used; entered by clone3 for nearly nothing |
 * | cpuacct, freezer | the same two, without a version 2 tree |
 * | devices | only with devices of its own: all others share `<parent>/<engine>`, in which the process that starts containers already is |
 * | cpuset, blkio, hugetlb, rdma | only when a limit asks for them |
 *
 * Containers with device rules of their own live beside the engine's group, in
 * `<engine>.devices`: no group may get more devices than the one above it.
 *
 * Source: Linux cgroup-v2.rst, cgroup-v1/*.rst.
 */

import type { HostPath } from '../../base/brand.ts';
import { EngineError } from '../../base/error.ts';
import { hostPath } from '../../base/host-path.ts';
import type { LinuxResources } from '../../spec/oci/resources.ts';
import type { CgroupLayout, V1Layout } from './layout.ts';
import { findHierarchy } from './layout.ts';

/** What a container's place is made of. */
export interface PlaceRequest {
  /** Path below a tree's root, e.g. `/carve`; `--cgroup-parent`. */
  readonly parent: string;
  /** One path component, unique per engine root. */
  readonly engine: string;
  /** One path component, unique in the engine. */
  readonly name: string;
  readonly resources: LinuxResources;
  /** `shared`: the engine's list; `own`: `resources.devices`. */
  readonly devices: 'shared' | 'own';
  /** The groups above are there since the engine's start (see `setup.ts`). */
  readonly isParentReady: boolean;
}

/** A container's directories. */
export type CgroupPlace = V1Place | V2Place;

/** In version 1. */
export interface V1Place {
  readonly version: 1;
  /** Controller → directory of this container; co-mounted controllers share one. */
  readonly directories: Readonly<Record<string, HostPath>>;
  /** Controller → all controllers that its tree has. */
  readonly trees: Readonly<Record<string, readonly string[]>>;
  /** Directory in the version 2 tree of a hybrid machine. */
  readonly unified: HostPath | undefined;
  /** Directory in the devices tree that others share; `undefined` with own rules. */
  readonly sharedDevices: HostPath | undefined;
  /** Directories above, top first, that must be made. */
  readonly ancestors: readonly HostPath[];
}

/** In version 2. */
export interface V2Place {
  readonly version: 2;
  readonly directory: HostPath;
  readonly devices: 'shared' | 'own';
  /** Directories above, top first, that must be made and hand `controllers` down. */
  readonly ancestors: readonly HostPath[];
  readonly controllers: readonly string[];
}

/** Controllers of version 1 that every container gets. */
const ALWAYS: readonly string[] = ['memory', 'pids', 'cpu'];

/** Where a container with these resources goes. Errors: `invalid` path, `unsupported` limit. */
export function placeCgroup(layout: CgroupLayout, request: PlaceRequest): CgroupPlace {
  const group = request.devices === 'own' ? `${request.engine}.devices` : request.engine;
  const below = [...parentComponents(request.parent), checkComponent(group)];
  const path = [...below, checkComponent(request.name)];
  if (layout.version === 1) return placeV1(layout, request, { below, path });
  return {
    version: 2,
    directory: join(layout.mountPoint, path),
    devices: request.devices,
    ancestors: request.isParentReady ? [] : prefixes(layout.mountPoint, below),
    controllers: layout.controllers,
  };
}

function placeV1(
  layout: V1Layout,
  request: PlaceRequest,
  where: { readonly below: readonly string[]; readonly path: readonly string[] },
): V1Place {
  const { below, path } = where;
  const directories: Record<string, HostPath> = {};
  const trees: Record<string, readonly string[]> = {};
  const roots = new Set<HostPath>();
  for (const controller of neededControllers(layout, request)) {
    const tree = findHierarchy(layout, controller);
    if (tree === undefined) {
      if (!isLimited(controller, request.resources)) continue;
      throw new EngineError('unsupported', `This machine has no control group for ${controller}`);
    }
    directories[controller] = join(tree.mountPoint, path);
    trees[controller] = tree.controllers;
    roots.add(tree.mountPoint);
  }
  const { unified } = layout;
  if (unified !== undefined) roots.add(unified);
  return {
    version: 1,
    directories,
    trees,
    unified: unified === undefined ? undefined : join(unified, path),
    sharedDevices: sharedDevices(layout, request, below),
    ancestors: request.isParentReady ? [] : [...roots].flatMap((root) => prefixes(root, below)),
  };
}

function sharedDevices(
  layout: V1Layout,
  request: PlaceRequest,
  below: readonly string[],
): HostPath | undefined {
  const devices = findHierarchy(layout, 'devices');
  if (request.devices === 'own' || devices === undefined) return undefined;
  return join(devices.mountPoint, below);
}

function neededControllers(layout: V1Layout, request: PlaceRequest): readonly string[] {
  const names = [...ALWAYS];
  if (layout.unified === undefined) names.push('cpuacct', 'freezer');
  if (request.devices === 'own') names.push('devices');
  for (const name of Object.keys(LIMITED)) {
    if (isLimited(name, request.resources)) names.push(name);
  }
  return names;
}

/** Limits that need a controller which not every container gets. */
const LIMITED: Readonly<Record<string, (resources: LinuxResources) => boolean>> = {
  cpuset: ({ cpu }) => (cpu?.cpus ?? '') !== '' || (cpu?.mems ?? '') !== '',
  blkio: ({ blockIO }) => blockIO !== undefined && Object.values(blockIO).some(isGiven),
  hugetlb: ({ hugepageLimits }) => (hugepageLimits ?? []).length > 0,
  rdma: ({ rdma }) => Object.keys(rdma ?? {}).length > 0,
};

/** True when a limit needs this controller. */
function isLimited(controller: string, resources: LinuxResources): boolean {
  return LIMITED[controller]?.(resources) ?? false;
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== 0;
}

function parentComponents(parent: string): readonly string[] {
  return parent
    .split('/')
    .filter((component) => component !== '')
    .map(checkComponent);
}

/** One normal component: it becomes a directory's name. */
function checkComponent(text: string): string {
  if (/^[\w.@:+=-]{1,200}$/.test(text) && text !== '.' && text !== '..') return text;
  throw new EngineError('invalid', `Invalid cgroup parent: ${JSON.stringify(text.slice(0, 80))}`);
}

function prefixes(mountPoint: HostPath, components: readonly string[]): readonly HostPath[] {
  return components.map((_, index) => join(mountPoint, components.slice(0, index + 1)));
}

function join(base: HostPath, components: readonly string[]): HostPath {
  return hostPath([base === '/' ? '' : base, ...components].join('/'));
}

/** Every directory of the container's own. */
export function directoriesOf(place: CgroupPlace): readonly HostPath[] {
  if (place.version === 2) return [place.directory];
  const all = new Set(Object.values(place.directories));
  return place.unified === undefined ? [...all] : [...all, place.unified];
}

/** Directory in a version 2 tree, which freezes and kills. */
export function unifiedDirectory(place: CgroupPlace): HostPath | undefined {
  return place.version === 2 ? place.directory : place.unified;
}

/** A directory that knows every process of the container. */
export function processDirectory(place: CgroupPlace): HostPath {
  const directory = unifiedDirectory(place) ?? directoriesOf(place)[0];
  if (directory === undefined)
    throw new EngineError('unsupported', 'This machine has no control groups');
  return directory;
}

/** The file whose `oom_kill N` line counts processes that the kernel killed for memory; empty without one. */
export function oomFile(place: CgroupPlace): string {
  if (place.version === 2) return `${place.directory}/memory.events`;
  const directory = place.directories['memory'];
  return directory === undefined ? '' : `${directory}/memory.oom_control`;
}
