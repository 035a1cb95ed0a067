/** From a case (Docker's words or an OCI configuration) to the planner's input, on machines of the test's own. */

import { hostPath } from '../../src/base/host-path.ts';
import type { SpecHost, SpecInput } from '../../src/engine/containers/spec/input.ts';
import { TEST_HOST, testInput } from '../fakes/spec-input.ts';
import { toOciSpec } from '../../src/engine/containers/spec/to-oci-spec.ts';
import { compileSeccomp } from '../../src/kernel/bpf/compile-seccomp.ts';
import type { CgroupLayout } from '../../src/kernel/cgroup/layout.ts';
import { placeCgroup } from '../../src/kernel/cgroup/place.ts';
import { cgroupRequest } from '../../src/runtime/plan/cgroups.ts';
import type { ContainerPlanInput, ExecPlanInput } from '../../src/runtime/plan/input.ts';
import type { OciProcess, Spec } from '../../src/spec/oci/runtime.ts';

/** One container. */
export interface ContainerCase {
  /** Changes to a plain container. */
  readonly container?: Partial<SpecInput>;
  /** Changes to its OCI configuration. */
  readonly spec?: (spec: Spec) => Spec;
  /** Default `v2`. */
  readonly cgroups?: 'v2' | 'hybrid' | 'v1' | 'none';
  /** Changes to the planner's input. */
  readonly plan?: Partial<ContainerPlanInput>;
}

/** One exec into such a container. */
export interface ExecCase extends ContainerCase {
  readonly process?: Partial<OciProcess>;
}

const CGROUP = '/sys/fs/cgroup';
const V1_TREES = [
  ['cpu', 'cpuacct'],
  ['memory'],
  ['pids'],
  ['devices'],
  ['freezer'],
  ['cpuset'],
  ['blkio'],
];

const LAYOUTS: Readonly<Record<'v2' | 'hybrid' | 'v1', CgroupLayout>> = {
  v2: {
    version: 2,
    mountPoint: hostPath(CGROUP),
    controllers: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
  },
  hybrid: v1Layout(true),
  v1: v1Layout(false),
};

function v1Layout(isHybrid: boolean): CgroupLayout {
  return {
    version: 1,
    hierarchies: V1_TREES.map((controllers) => ({
      mountPoint: hostPath(`${CGROUP}/${controllers.join(',')}`),
      controllers,
    })),
    unified: isHybrid ? hostPath(`${CGROUP}/unified`) : undefined,
  };
}

function specOf(each: ContainerCase): Spec {
  const isV1 = each.cgroups === 'hybrid' || each.cgroups === 'v1';
  const host: SpecHost = { ...TEST_HOST, cgroupVersion: isV1 ? 1 : 2 };
  const spec = toOciSpec(testInput({ host, ...each.container }));
  return each.spec?.(spec) ?? spec;
}

/** What `planContainer` gets. */
export function planInput(each: ContainerCase): ContainerPlanInput {
  const spec = specOf(each);
  const { cgroups = 'v2' } = each;
  return {
    spec,
    root: {
      kind: 'overlay',
      lower: [hostPath('/var/lib/carve/layers/2'), hostPath('/var/lib/carve/layers/1')],
      upper: hostPath('/var/lib/carve/snapshots/c/upper'),
      work: hostPath('/var/lib/carve/snapshots/c/work'),
    },
    stageDir: hostPath('/run/carve/stage'),
    cgroup: cgroups === 'none' ? undefined : placeCgroup(LAYOUTS[cgroups], cgroupRequest(spec)),
    monitor: {
      runDir: '/run/carve/c/0123456789ab',
      stateDir: '/var/lib/carve/containers/0123456789ab',
      logKind: 1,
      logMaxBytes: 20n * 1024n * 1024n,
      logMaxFiles: 5,
      openStdin: 0,
      stdinOnce: 0,
      expectedClients: 1,
      startMs: 30_000,
      title: 'carve-monitor 0123456789ab',
    },
    init: false,
    network: undefined,
    features: {
      knownCapabilities: (1n << 41n) - 1n,
      ownCapabilities: (1n << 41n) - 1n,
      isRootless: false,
      hostMounts: { pid: 4321, startTicks: 99n },
      hidesMounts: false,
    },
    compileSeccomp: (section) => compileSeccomp(section, 'x86_64'),
    ...each.plan,
  };
}

/** What `planExec` gets. */
export function execInput(each: ExecCase): ExecPlanInput {
  const { spec, cgroup, features, compileSeccomp: compile } = planInput(each);
  const base = spec.process ?? { user: { uid: 0, gid: 0 }, args: ['sh'], cwd: '/' };
  return {
    spec,
    process: { ...base, args: ['sh', '-c', 'id'], ...each.process },
    target: { pid: 1234, startTicks: 5678n },
    cgroup,
    features,
    compileSeccomp: compile,
  };
}
