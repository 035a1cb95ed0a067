/**
 * The container's procfs, and everything that is set by writing to it.
 *
 * **Invariant:** all these writes go through one procfs that is not attached
 * anywhere yet, so nothing that an image or a volume contains can stand in
 * their way (security matrix R5).
 *
 * Source: proc(5); OCI runtime-spec 1.3 config-linux.md "Sysctl",
 * config.md `oomScoreAdj`, `apparmorProfile`.
 */

import { EngineError } from '../../base/error.ts';
import { MOUNT_ATTR, O } from '../../kernel/plan/flags.ts';
import type { OciProcess } from '../../spec/oci/runtime.ts';
import type { PlanBuilder } from './builder.ts';
import { SLOT } from './builder.ts';
import type { PlanContext, PlannedMount } from './context.ts';

const PLAIN =
  MOUNT_ATTR.MOUNT_ATTR_NOSUID | MOUNT_ATTR.MOUNT_ATTR_NODEV | MOUNT_ATTR.MOUNT_ATTR_NOEXEC;
const OOM_SCORE_MAX = 1000;

/** Make the procfs and write what is written through it. */
export function planProc(context: PlanContext): void {
  const { builder, input, namespaces } = context;
  const mount = context.mounts.find(isProcMount);
  const { set, data } = mount?.options ?? { set: PLAIN, data: [] };
  if (namespaces.isInUser && !namespaces.own.has('pid')) {
    // A user namespace may mount a procfs only of a pid namespace that it owns.
    builder.push({ op: 'open-tree', slot: SLOT.proc, path: '/proc', recursive: 1 });
  } else {
    // Read-only comes last: it is written to before.
    const attrs = set & ~MOUNT_ATTR.MOUNT_ATTR_RDONLY;
    builder.push({
      op: 'fsmount',
      slot: SLOT.proc,
      fsType: 'proc',
      source: 'proc',
      options: data,
      attrs,
    });
  }
  const { process } = input.spec;
  if (process !== undefined) planSelf(builder, process);
  for (const [name, value] of Object.entries(input.spec.linux?.sysctl ?? {})) {
    builder.write(sysctlPath(name), value, { dir: SLOT.proc });
  }
}

/** True for the procfs of the container itself. */
export function isProcMount({ mount, destination, options }: PlannedMount): boolean {
  return mount.type === 'proc' && options.bind === undefined && destination === '/proc';
}

/** Attach it where the configuration wants it. */
export function planProcMount(context: PlanContext, { options, destination }: PlannedMount): void {
  const { builder } = context;
  const readonly = options.set & MOUNT_ATTR.MOUNT_ATTR_RDONLY;
  if (readonly !== 0n) {
    builder.push({
      op: 'mount-attr',
      slot: SLOT.proc,
      set: readonly,
      clear: 0n,
      propagation: 0n,
      recursive: 0,
    });
  }
  builder.push({ op: 'attach', slot: SLOT.proc, root: SLOT.root, path: destination, create: 1 });
  planOrdinaryDirectory(builder, destination);
}

/** The path must be a directory itself: through a link the masks would miss what they are to hide. */
export function planOrdinaryDirectory(builder: PlanBuilder, path: string): void {
  const slot = builder.take();
  const flags = Number(O.O_PATH | O.O_NOFOLLOW | O.O_DIRECTORY);
  builder.push({ op: 'open', slot, dir: SLOT.root, path, flags });
  builder.release(slot);
}

/** What a process sets of itself; `SLOT.proc` holds a procfs. */
export function planSelf(builder: PlanBuilder, process: OciProcess): void {
  const { oomScoreAdj, apparmorProfile } = process;
  if (oomScoreAdj !== undefined) {
    if (!Number.isInteger(oomScoreAdj) || Math.abs(oomScoreAdj) > OOM_SCORE_MAX) {
      throw new EngineError('invalid', `Invalid oomScoreAdj ${oomScoreAdj}`);
    }
    builder.writeSelf(SLOT.proc, 'oom_score_adj', String(oomScoreAdj));
  }
  if (apparmorProfile !== undefined && apparmorProfile !== '') {
    builder.writeSelf(SLOT.proc, 'attr/apparmor/exec', `exec ${apparmorProfile}`);
  }
}

/** `net.ipv4.conf.eth0/1.forwarding` → `sys/net/ipv4/conf/eth0.1/forwarding`. Errors: `invalid`. */
export function sysctlPath(name: string): string {
  // The first separator separates; the other one is part of a name.
  const isDotted = /[./]/.exec(name)?.[0] !== '/';
  const components = name.split(isDotted ? '.' : '/');
  const path = components.map((each) => (isDotted ? each.replaceAll('/', '.') : each));
  const isSound = path.every((each) => /^[\w.-]+$/.test(each) && each !== '.' && each !== '..');
  if (isSound) return `sys/${path.join('/')}`;
  throw new EngineError('invalid', `Invalid sysctl ${JSON.stringify(name.slice(0, 80))}`);
}
