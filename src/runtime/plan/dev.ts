/**
 * /dev: our own tmpfs with the devices that every container has, those of the
 * configuration, the usual links, and the console.
 *
 * **Invariant:** entries are made on the descriptor of that tmpfs, never
 * through a path of the image (security matrix R7).
 *
 * Source: OCI runtime-spec 1.3 config-linux.md "Default Devices", "Dev symbolic
 * links"; runtime-linux.md; null(4), random(4), pts(4).
 */

import { EngineError } from '../../base/error.ts';
import { O } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { LinuxDevice } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import { SLOT } from './builder.ts';
import type { PlanContext, PlannedMount } from './context.ts';

const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const KIND: Readonly<Record<LinuxDevice['type'], number>> = {
  c: S_IFCHR,
  u: S_IFCHR,
  b: S_IFBLK,
  p: S_IFIFO,
};
const DEFAULT_MODE = 0o666;
const DIRECTORY_MODE = 0o755;
const NULL_DEVICE = { major: 1, minor: 3 } as const;

const DEFAULT_DEVICES: readonly LinuxDevice[] = [
  { type: 'c', path: '/dev/null', ...NULL_DEVICE },
  { type: 'c', path: '/dev/zero', major: 1, minor: 5 },
  { type: 'c', path: '/dev/full', major: 1, minor: 7 },
  { type: 'c', path: '/dev/random', major: 1, minor: 8 },
  { type: 'c', path: '/dev/urandom', major: 1, minor: 9 },
  { type: 'c', path: '/dev/tty', major: 5, minor: 0 },
];
const LINKS: readonly (readonly [string, string])[] = [
  ['fd', '/proc/self/fd'],
  ['stdin', '/proc/self/fd/0'],
  ['stdout', '/proc/self/fd/1'],
  ['stderr', '/proc/self/fd/2'],
  ['core', '/proc/kcore'],
  ['ptmx', 'pts/ptmx'],
];

/** The mount that is our own /dev. */
export function isDevMount({ mount, destination, options }: PlannedMount): boolean {
  return destination === '/dev' && mount.type === 'tmpfs' && options.bind === undefined;
}

/** Make, attach and fill it; the null device is then in `SLOT.null`. */
export function planDev(context: PlanContext, { mount, options }: PlannedMount): void {
  const { builder, input } = context;
  builder.push(
    {
      op: 'fsmount',
      slot: SLOT.dev,
      fsType: 'tmpfs',
      source: mount.source ?? 'tmpfs',
      options: options.data,
      attrs: options.set,
    },
    { op: 'attach', slot: SLOT.dev, root: SLOT.root, path: '/dev', create: 1 },
  );
  const asked = (input.spec.linux?.devices ?? []).map(checkDevice);
  const overridden = new Set(asked.map(({ path }) => path));
  const defaults = DEFAULT_DEVICES.filter(({ path }) => !overridden.has(path));
  for (const device of [...defaults, ...asked]) planDevice(context, device);
  for (const [name, target] of LINKS) {
    if (!overridden.has(`/dev/${name}`)) {
      builder.push({ op: 'symlink', dir: SLOT.dev, name, target });
    }
  }
  openNull(builder, SLOT.dev);
}

/** Without our own /dev the null device is the host's. */
export function planHostNull(builder: PlanBuilder): void {
  openNull(builder, undefined);
}

function openNull(builder: PlanBuilder, dir: number | undefined): void {
  const path = dir === undefined ? '/dev/null' : 'null';
  const flags = Number(O.O_PATH | O.O_NOFOLLOW);
  builder.push(
    { op: 'open', slot: SLOT.null, dir, path, flags },
    { op: 'verify-device', slot: SLOT.null, ...NULL_DEVICE },
  );
}

function checkDevice(device: LinuxDevice): LinuxDevice {
  const isSound =
    device.path.startsWith('/') &&
    !device.path.includes('\0') &&
    !/(?:^|\/)(?:\.{1,2})?(?:\/|$)/.test(device.path.slice(1));
  if (isSound && Object.hasOwn(KIND, device.type)) return device;
  throw new EngineError('invalid', `Invalid device ${JSON.stringify(device.path.slice(0, 200))}`);
}

/** A node of our own, or in a user namespace, which cannot make one that works, the host's. */
function planDevice(context: PlanContext, device: LinuxDevice): void {
  const { builder, namespaces } = context;
  const isBelowDev = device.path.startsWith('/dev/');
  const path = isBelowDev ? device.path.slice('/dev/'.length) : device.path;
  const root = isBelowDev ? SLOT.dev : SLOT.root;
  if (namespaces.isInUser && device.type !== 'p') {
    const slot = builder.take();
    builder.push(
      { op: 'open-tree', slot, path: device.path, recursive: 0 },
      { op: 'attach', slot, root, path, create: 2 },
    );
    builder.release(slot);
  } else if (isBelowDev && !path.includes('/')) {
    builder.push(nodeOp(device, path, SLOT.dev));
  } else {
    planNestedNode(builder, device, { root, path });
  }
}

/** A node in a directory that may have to be made. */
function planNestedNode(
  builder: PlanBuilder,
  device: LinuxDevice,
  where: { readonly root: number; readonly path: string },
): void {
  const { root, path } = where;
  const cut = path.lastIndexOf('/');
  const parent = cut <= 0 ? '/' : path.slice(0, cut);
  const dir = builder.take();
  builder.push(
    { op: 'mkdirs', root, path: parent, mode: DIRECTORY_MODE, uid: 0, gid: 0 },
    { op: 'open', slot: dir, dir: root, path: parent, flags: Number(O.O_PATH | O.O_DIRECTORY) },
    nodeOp(device, path.slice(cut + 1), dir),
  );
  builder.release(dir);
}

function nodeOp(device: LinuxDevice, name: string, dir: number): PlanOp {
  const { type, fileMode = DEFAULT_MODE, major = 0, minor = 0, uid = 0, gid = 0 } = device;
  return { op: 'mknod', dir, name, mode: KIND[type] | (fileMode & 0o7777), major, minor, uid, gid };
}

/** A console of our devpts, bound on /dev/console. Errors: `invalid` without devpts. */
export function planConsole(context: PlanContext): void {
  const { builder, input } = context;
  const process = input.spec.process;
  if (process?.terminal !== true) return;
  const hasPts = context.mounts.some(({ destination }) => destination === '/dev/pts');
  if (!hasPts || !context.hasOwnDev) {
    throw new EngineError('invalid', 'A terminal needs a devpts on /dev/pts');
  }
  builder.push({
    op: 'console',
    slot: SLOT.console,
    devpts: SLOT.devpts,
    rows: process.consoleSize?.height ?? 0,
    columns: process.consoleSize?.width ?? 0,
    uid: process.user.uid,
  });
  const slot = builder.take();
  builder.push(
    { op: 'open-tree', slot, dir: SLOT.console, path: '', recursive: 0 },
    { op: 'attach', slot, root: SLOT.dev, path: 'console', create: 2 },
  );
  builder.release(slot);
}
