import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostPath } from '../../base/host-path.ts';
import { isEngineError } from '../../base/error.ts';
import { compileSeccomp } from '../../kernel/bpf/compile-seccomp.ts';
import { CAPABILITIES } from '../../kernel/plan/flags.ts';
import type { PlanOp } from '../../kernel/plan/op.ts';
import type { OciLinux, OciMount, OciProcess, Spec } from '../../spec/oci/runtime.ts';
import { capabilityBit, capabilityBits, groupBytes, rlimitOps } from './bits.ts';
import { NETWORK_SLOTS, PlanBuilder } from './builder.ts';
import { cgroupRequest } from './cgroups.ts';
import { planContainer } from './container.ts';
import { planExec } from './exec.ts';
import type { ContainerPlanInput } from './input.ts';
import { sysctlPath } from './proc.ts';

const PROCESS: OciProcess = { user: { uid: 0, gid: 0 }, args: ['/bin/true'], cwd: '/' };
const ALL = (1n << BigInt(CAPABILITIES.length)) - 1n;

function inputOf(
  spec: Partial<Spec>,
  changes: Partial<ContainerPlanInput> = {},
): ContainerPlanInput {
  return {
    spec: {
      ociVersion: '1.3.0',
      process: PROCESS,
      linux: { namespaces: [{ type: 'mount' }] },
      ...spec,
    },
    root: { kind: 'bind', path: hostPath('/srv/root') },
    stageDir: hostPath('/run/stage'),
    cgroup: undefined,
    monitor: {
      runDir: '/run/c',
      stateDir: '/var/c',
      logKind: 0,
      logMaxBytes: 1n,
      logMaxFiles: 1,
      openStdin: 0,
      stdinOnce: 0,
      expectedClients: 0,
      startMs: 30_000,
      title: 'x',
    },
    init: false,
    network: undefined,
    features: {
      knownCapabilities: ALL,
      ownCapabilities: ALL,
      isRootless: false,
      hostMounts: undefined,
      hidesMounts: false,
    },
    compileSeccomp: (section) => compileSeccomp(section, 'x86_64'),
    ...changes,
  };
}

function plan(spec: Partial<Spec>): readonly PlanOp[] {
  return planContainer(inputOf(spec));
}

function refused(spec: Partial<Spec>, message: RegExp): void {
  assert.throws(
    () => plan(spec),
    (error: unknown) =>
      isEngineError(error) &&
      ['invalid', 'unsupported'].includes(error.kind) &&
      message.test(error.message),
    `${JSON.stringify(spec)} ${message}`,
  );
}

function process(changes: Partial<OciProcess>): Partial<Spec> {
  return { process: { ...PROCESS, ...changes } };
}

function linux(changes: Partial<OciLinux>): Partial<Spec> {
  return { linux: { namespaces: [{ type: 'mount' }], ...changes } };
}

function mount(changes: Partial<OciMount>): Partial<Spec> {
  return {
    mounts: [{ destination: '/x', type: 'bind', source: '/src', options: ['rbind'], ...changes }],
  };
}

test('what cannot be planned is refused with one sentence, never left out', () => {
  refused({ process: undefined } as never, /no process/);
  refused({ hooks: { prestart: [{ path: '/x' }] } }, /Hooks/);
  refused(linux({ mountLabel: 'x' }), /SELinux/);
  refused(linux({ namespaces: [] }), /mount namespace/);
  refused(linux({ namespaces: [{ type: 'mount' }, { type: 'mount' }] }), /twice/);
  refused(
    linux({ namespaces: [{ type: 'mount' }, { type: 'network', path: 'relative' }] }),
    /namespace path/,
  );
  refused(linux({ namespaces: [{ type: 'mount' }, { type: 'user' }] }), /mappings/);
  refused(linux({ maskedPaths: ['relative'] }), /path to hide/);
  refused(linux({ sysctl: { 'net..x': '1' } }), /sysctl/);
  refused(linux({ devices: [{ type: 'c', path: '/dev/../x' }] }), /device/);
  refused(linux({ devices: [{ type: 'c', path: 'x' }] }), /device/);
  refused(linux({ seccomp: { defaultAction: 'SCMP_ACT_NOTIFY' } }), /notifications/);
  refused(
    linux({ namespaces: [{ type: 'mount' }, { type: 'time' }], timeOffsets: { realtime: {} } }),
    /clock/,
  );
  refused(process({ args: [] }), /no program/);
  refused(process({ args: [''] }), /exec: "": executable file not found/);
  refused(process({ cwd: 'x' }), /working directory/);
  refused(process({ terminal: true }), /devpts/);
  refused(process({ oomScoreAdj: 1001 }), /oomScoreAdj/);
  refused(process({ rlimits: [{ type: 'RLIMIT_X', soft: 0, hard: 0 }] }), /Unknown limit/);
  refused(process({ scheduler: { policy: 'SCHED_FIFO' } }), /scheduler/);
  refused(process({ ioPriority: { class: 'IOPRIO_CLASS_RT', priority: 0 } }), /I\/O priority/);
  refused(process({ selinuxLabel: 'x' }), /SELinux/);
  refused({ hostname: 'x' }, /UTS/);
  refused(mount({ destination: '/' }), /destination/);
  refused(mount({ destination: '/a/../b' }), /destination/);
  refused(mount({ source: 'relative' }), /source/);
  refused(mount({ options: ['rbind', 'size=1'] }), /size=1/);
  refused(mount({ options: ['rbind', 'idmap'] }), /no id mappings/);
  refused(mount({ uidMappings: [{ containerID: 0, hostID: 1, size: 1 }] }), /users or groups only/);
  refused(mount({ options: ['rbind', 'rshared'] }), /share mounts/);
  refused(mount({ type: '', options: [] }), /no type/);
});

test('a plan begins with the monitor and ends with the program', () => {
  const ops = plan({});
  assert.equal(ops[0]?.op, 'monitor');
  assert.equal(ops.at(-1)?.op, 'exec');
  assert.equal(ops.filter(({ op }) => op === 'clone').length, 1);
});

test('the search path is that of the environment, without empty entries', () => {
  const search = (env: readonly string[]): readonly string[] => {
    const last = plan(process({ env })).at(-1);
    assert.ok(last?.op === 'exec');
    return last.search;
  };
  assert.deepEqual(search(['PATH=/a::/b:']), ['/a', '/b']);
  assert.deepEqual(search(['PATH=/a', 'PATH=/c']), ['/c']);
  assert.equal(search([]).length, 6);
  assert.equal(
    search([`PATH=${Array.from({ length: 100 }, (_, index) => `/p${index}`).join(':')}`]).length,
    64,
  );
});

test('capabilities are bits; what cannot be had is left out', () => {
  assert.equal(capabilityBits(['CAP_CHOWN', 'CAP_BPF', 'CAP_NONE'], ALL), 1n | (1n << 39n));
  assert.equal(capabilityBits(['CAP_CHOWN', 'CAP_BPF'], 1n), 1n);
  assert.equal(capabilityBit('CAP_SYS_ADMIN'), 1n << 21n);
  for (const [index, name] of CAPABILITIES.entries())
    assert.equal(capabilityBit(name), 1n << BigInt(index));
});

test('limits become numbers; a double one is refused', () => {
  assert.deepEqual(rlimitOps([{ type: 'RLIMIT_NOFILE', soft: 1, hard: -1 }]), [
    { op: 'rlimit', resource: 7, soft: 1n, hard: 2n ** 64n - 1n },
  ]);
  const twice = { type: 'RLIMIT_CORE', soft: 0, hard: 0 };
  assert.throws(() => rlimitOps([twice, twice]), /twice/);
});

test('groups are words of four bytes', () => {
  assert.deepEqual([...groupBytes([1, 0x01020304])], [1, 0, 0, 0, 4, 3, 2, 1]);
});

test('the first separator of a sysctl separates, the other belongs to a name', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['net.core.somaxconn', 'sys/net/core/somaxconn'],
    ['net/core/somaxconn', 'sys/net/core/somaxconn'],
    ['net.ipv4.conf.eth0/1.forwarding', 'sys/net/ipv4/conf/eth0.1/forwarding'],
    ['net/ipv4/conf/eth0.1/forwarding', 'sys/net/ipv4/conf/eth0.1/forwarding'],
  ];
  for (const [name, path] of rows) assert.equal(sysctlPath(name), path);
  for (const bad of ['', '.', 'a..b', '/a', 'net/../x', 'a b', 'net.a\n']) {
    assert.throws(() => sysctlPath(bad), isEngineError, bad);
  }
});

test('a slot is closed before it is used again, and only when all were used', () => {
  const builder = new PlanBuilder();
  const slots = Array.from({ length: 21 }, () => builder.take());
  assert.equal(new Set(slots).size, 21);
  assert.ok(!slots.some((slot) => NETWORK_SLOTS.includes(slot)));
  assert.throws(() => builder.take(), /mounts must be prepared at once/);
  builder.release(slots[3] ?? -1);
  assert.equal(builder.take(), slots[3]);
  assert.deepEqual(builder.ops, [{ op: 'close', slot: slots[3] }]);
});

test('the place of a container is read from its cgroups path', () => {
  const request = (cgroupsPath: string): ReturnType<typeof cgroupRequest> =>
    cgroupRequest(inputOf(linux({ cgroupsPath })).spec);
  const { parent, engine, name, devices, isParentReady } = request('/carve/e/c');
  assert.deepEqual(
    [parent, engine, name, devices, isParentReady],
    ['/carve', 'e', 'c', 'own', true],
  );
  assert.equal(request('/a/b/e/c').parent, '/a/b');
  assert.equal(request('/e/c').parent, '/');
  for (const bad of ['', '/', '/only']) assert.throws(() => request(bad), /cgroups path/);
});

test('an exec needs what the container has', () => {
  const base = inputOf({});
  const exec = { ...base, process: PROCESS, target: { pid: 1, startTicks: 2n } };
  assert.equal(planExec(exec).at(-1)?.op, 'exec');
  assert.throws(() => planExec({ ...exec, process: { ...PROCESS, terminal: true } }), /devpts/);
  assert.throws(() => planExec({ ...exec, spec: { ...base.spec, linux: {} } }), /mount namespace/);
});
