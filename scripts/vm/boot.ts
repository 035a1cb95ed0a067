/**
 * Boots a virtual machine with cgroup v2, runs one script in it as root, and
 * answers with its output and exit code. Emulated (TCG), so that it works
 * where no hardware virtualisation is; no network card, no host folder.
 *
 * Two serial lines: the first is the kernel's console, the second carries the
 * script's output and, after a NUL, its exit code. A machine that ends without
 * that NUL has failed, whatever else it said.
 */

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { runChild } from '../child.ts';
import { ROOT } from '../tools.ts';
import { type CpioEntry, encodeCpio } from './cpio.ts';
import { makeDisk, rootDisk, type VmFiles, type VmSystem } from './disk.ts';
import { ensureKernel, loadOrder, type VmModule } from './kernel.ts';

/** What the machine runs. */
export interface VmRun {
  /** Shell script, run in /carve. */
  readonly script: string;
  /** Placed below /carve. */
  readonly files?: VmFiles;
  /** Default `busybox`. */
  readonly system?: VmSystem;
  /** Milliseconds until the machine is stopped; default 180,000. */
  readonly timeoutMs?: number;
  /** MiB of memory; default 1536. */
  readonly memoryMiB?: number;
  /** Modules of the kernel besides what every machine has. */
  readonly modules?: readonly string[];
}

/** How it ended. */
export interface VmResult {
  /** Exit code of the script; 124 when the machine was stopped for its time, 125 when it died before the end. */
  readonly code: number;
  /** stdout and stderr of the script. */
  readonly output: string;
  /** What the kernel and the init script said, for when something is wrong. */
  readonly console: string;
  /** Wall time in milliseconds. */
  readonly durationMs: number;
}

/** Needed to see the disk at all. */
const DISK_MODULES = ['virtio_pci', 'virtio_blk', 'ext4'];
/** What carve uses of the kernel. */
const FEATURE_MODULES = [
  'overlay',
  'loop',
  'quota_v2',
  'bridge',
  'veth',
  'dummy',
  'macvlan',
  'nf_tables',
  'nft_ct',
  'nft_nat',
  'nft_masq',
  'nft_chain_nat',
  'nft_fib_inet',
  'nft_redir',
  'nft_meta_bridge',
  'nft_reject_inet',
];

const FOLDER = join(ROOT, 'build', 'vm');
const DEFAULT_TIMEOUT_MS = 180_000;
/** A machine is at its init after some five seconds, where it has the processors for itself. */
const BOOT_TIMEOUT_MS = 60_000;
/** How many times longer it may take where it has not. */
const PATIENCE_MAX = 4;
/** First byte on the second line: the init is about to run the script. */
const STARTED = '\u0001';

/** Boots, runs, stops. Throws only when the machine cannot be made. */
export async function runInVm(run: VmRun): Promise<VmResult> {
  mkdirSync(FOLDER, { recursive: true });
  const work = mkdtempSync(join(FOLDER, 'run-'));
  try {
    const kernel = await ensureKernel();
    const modules = await loadOrder(kernel, [
      ...DISK_MODULES,
      ...FEATURE_MODULES,
      ...(run.modules ?? []),
    ]);
    const initrd = join(work, 'initrd');
    const payload = join(work, 'payload');
    writeFileSync(initrd, gzipSync(encodeCpio(initialFiles(modules)), { level: 1 }));
    await makeDisk(payloadFiles(run), join(work, 'staging'), payload);
    const root = await rootDisk(run.system ?? 'busybox', FOLDER);
    const disks = { root, payload };
    return await boot(run, { kernel: kernel.image, initrd, disks, result: join(work, 'result') });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

interface Machine {
  readonly kernel: string;
  readonly initrd: string;
  readonly disks: { readonly root: string; readonly payload: string };
  readonly result: string;
}

/** An emulated machine hangs before its init once in a while: that one is given up and booted again. */
async function boot(run: VmRun, machine: Machine): Promise<VmResult> {
  const first = await bootOnce(run, machine);
  return first ?? (await bootOnce(run, machine)) ?? NEVER_BOOTED;
}

const NEVER_BOOTED: VmResult = {
  code: 125,
  output: '',
  console: 'the machine did not reach its init, twice',
  durationMs: 2 * BOOT_TIMEOUT_MS,
};

/** Emulation has its share of the processors only: longer where more want to run. */
function bootTimeoutMs(): number {
  const [load = 0] = loadavg();
  return BOOT_TIMEOUT_MS * Math.min(PATIENCE_MAX, Math.max(1, load / availableParallelism()));
}

/** `undefined`: the machine never reached its init. */
async function bootOnce(run: VmRun, machine: Machine): Promise<VmResult | undefined> {
  rmSync(machine.result, { force: true });
  const hung = new AbortController();
  const timer = setTimeout(() => {
    if (!readResult(machine.result).startsWith(STARTED)) hung.abort();
  }, bootTimeoutMs());
  const ended = await runChild(qemuArgv(run, machine), {
    timeoutMs: run.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    signal: hung.signal,
  });
  clearTimeout(timer);
  const said = readResult(machine.result);
  if (!said.startsWith(STARTED)) return undefined;
  const end = said.lastIndexOf('\0');
  const died = ended.code === 124 ? 124 : 125;
  return {
    code: end === -1 ? died : Number(said.slice(end + 1).trim()),
    output: said.slice(STARTED.length, end === -1 ? undefined : end),
    console: ended.output,
    durationMs: ended.durationMs,
  };
}

function qemuArgv(run: VmRun, machine: Machine): readonly string[] {
  return [
    // A test run that is killed takes its machine with it.
    [
      'setpriv',
      '--pdeathsig',
      'KILL',
      'qemu-system-x86_64',
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'max',
      '-smp',
      '2',
    ],
    ['-m', String(run.memoryMiB ?? 1536), '-nodefaults', '-no-reboot', '-display', 'none'],
    ['-kernel', machine.kernel, '-initrd', machine.initrd],
    ['-append', 'console=ttyS0 loglevel=1 panic=-1 random.trust_cpu=on mitigations=off'],
    diskArgv('root', machine.disks.root, 'snapshot=on'),
    diskArgv('payload', machine.disks.payload, 'snapshot=off'),
    ['-serial', 'stdio', '-serial', `file:${machine.result}`],
  ].flat();
}

function diskArgv(id: string, file: string, mode: string): readonly string[] {
  const drive = `file=${file},format=raw,if=none,id=${id},cache=unsafe,${mode}`;
  return ['-drive', drive, '-device', `virtio-blk-pci,drive=${id},discard=off,write-zeroes=off`];
}

function readResult(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** The initial file system: busybox and the modules; it hands over to the disk. */
function initialFiles(modules: readonly VmModule[]): readonly CpioEntry[] {
  const folders = ['bin', 'dev', 'proc', 'sys', 'modules', 'disk'];
  const executable = 0o100755;
  return [
    ...folders.map((name) => ({ name, mode: 0o40755 })),
    { name: 'dev/console', mode: 0o20600, major: 5, minor: 1 },
    { name: 'bin/busybox', mode: executable, data: readFileSync('/bin/busybox') },
    { name: 'init', mode: executable, data: Buffer.from(firstInit(modules)) },
    ...modules.map(({ name, bytes }) => ({
      name: `modules/${name}.ko`,
      mode: 0o100644,
      data: bytes,
    })),
  ];
}

function firstInit(modules: readonly VmModule[]): string {
  return `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for name in ${modules.map((one) => one.name).join(' ')}; do
  /bin/busybox insmod /modules/$name.ko || echo "vm: cannot load $name"
done
n=0
until [ -b /dev/vdb ] || [ $n -ge 100 ]; do n=$((n + 1)); /bin/busybox usleep 50000; done
/bin/busybox mount -t ext4 -o rw,noatime /dev/vda /disk || exit 1
/bin/busybox mount -t ext4 -o rw,noatime /dev/vdb /disk/carve || exit 1
/bin/busybox mount --move /dev /disk/dev
exec /bin/busybox switch_root /disk /carve/init
`;
}

/** The second init: file systems as systemd mounts them, cgroup v2 with every controller, then the script. */
const SECOND_INIT = `#!/bin/busybox sh
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8
[ -e /bin/ls ] || /bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mkdir -p /dev/pts /dev/shm /dev/mqueue
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t mqueue mqueue /dev/mqueue
mount -t tmpfs -o mode=755 run /run
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/init.scope
echo $$ > /sys/fs/cgroup/init.scope/cgroup.procs
for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
  echo "+$name" > /sys/fs/cgroup/cgroup.subtree_control
done
ln -sf /proc/self/fd /dev/fd
mount --make-rshared /
/bin/busybox ip link set lo up
/bin/busybox hostname vm
cd /carve
/bin/busybox stty raw -echo -F /dev/ttyS1
printf '\\001' > /dev/ttyS1
setsid sh /carve/script > /dev/ttyS1 2>&1 < /dev/null
printf '\\0%s\\n' $? > /dev/ttyS1
/bin/busybox sync
/bin/busybox poweroff -f
`;

function payloadFiles(run: VmRun): VmFiles {
  return {
    init: { kind: 'text', text: SECOND_INIT, mode: 0o755 },
    script: { kind: 'text', text: run.script },
    ...run.files,
  };
}

/** Fetches the kernel and makes the disks, where they are not there: what a machine needs of the network. */
export async function prepareVm(): Promise<void> {
  await ensureKernel();
  for (const system of ['busybox', 'debian'] as const) await rootDisk(system, FOLDER);
}
