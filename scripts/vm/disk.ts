/**
 * Disks of the virtual machine: folders made into ext4 images without mounting
 * anything. The root disk is either busybox alone or a real Debian, which is
 * made once and never written by a machine.
 */

import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { runChild } from '../child.ts';

/** What to put on the disk. */
export type VmFile =
  /** A file or a folder of the host. */
  | { readonly kind: 'copy'; readonly from: string }
  /** Text with permission bits (default 0644). */
  | { readonly kind: 'text'; readonly text: string; readonly mode?: number };

/** Path on the disk → contents. */
export type VmFiles = Readonly<Record<string, VmFile>>;

/** Which programs a machine has besides what it is given. */
export type VmSystem = 'busybox' | 'debian';

const EMPTY_FOLDERS = ['dev', 'proc', 'sys', 'run', 'tmp', 'root', 'etc', 'bin', 'sbin', 'carve'];
/** Sparse: only what is written takes room. */
const DISK_BYTES = 4 * 1024 ** 3;

/** What kernel tests call besides carve's own programs. */
const DEBIAN_PACKAGES = [
  'busybox-static',
  'gcc',
  'libc6-dev',
  'procps',
  'iproute2',
  'nftables',
  'hostname',
  'samba',
];

/** Makes `image` from `files` by way of the folder `staging`, which is removed again. */
export async function makeDisk(files: VmFiles, staging: string, image: string): Promise<void> {
  try {
    mkdirSync(staging, { recursive: true });
    for (const [path, file] of Object.entries(files)) place(staging, path, file);
    await makeImage(staging, image);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function makeImage(folder: string, image: string): Promise<void> {
  const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-E', 'root_owner=0:0'];
  const argv = ['mke2fs', ...options, '-d', folder, image, String(DISK_BYTES / 1024)];
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  const { code, output } = await runChild(argv, { env: { PATH: path } });
  if (code !== 0) throw new Error(`Cannot make a disk of the virtual machine: ${output.trim()}`);
}

function place(staging: string, path: string, file: VmFile): void {
  const target = join(staging, path);
  mkdirSync(dirname(target), { recursive: true });
  if (file.kind === 'text') {
    writeFileSync(target, file.text);
    chmodSync(target, file.mode ?? 0o644);
  } else if (statSync(file.from).isDirectory()) {
    cpSync(file.from, target, { recursive: true });
  } else {
    copyFileSync(file.from, target);
  }
}

/** The root disk; made below `folder` when it is not there. It must not be written. */
export async function rootDisk(system: VmSystem, folder: string): Promise<string> {
  const version = system === 'debian' ? DEBIAN_PACKAGES.join('+') : '1';
  const image = join(folder, `root-${system}-${version}`);
  if (existsSync(image)) return image;
  const work = mkdtempSync(join(folder, 'root-'));
  try {
    const staging = join(work, 'root');
    const made = join(work, 'image');
    if (system === 'debian') await bootstrap(staging);
    for (const name of EMPTY_FOLDERS) mkdirSync(join(staging, name), { recursive: true });
    chmodSync(join(staging, 'tmp'), 0o1777);
    if (system === 'busybox') fillBusybox(staging);
    await makeImage(staging, made);
    renameSync(made, image);
    return image;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function fillBusybox(staging: string): void {
  copyFileSync('/bin/busybox', join(staging, 'bin/busybox'));
  writeFileSync(join(staging, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(staging, 'etc/group'), 'root:x:0:\ntty:x:5:\n');
  writeFileSync(join(staging, 'etc/hosts'), '127.0.0.1 localhost\n');
}

/** A Debian of this machine's own release, from its own archive. */
async function bootstrap(folder: string): Promise<void> {
  const { stdout } = await runChild(['sh', '-c', '. /etc/os-release; echo "$VERSION_CODENAME"']);
  const suite = stdout.trim() === '' ? 'stable' : stdout.trim();
  const argv = ['mmdebstrap', '--variant=minbase', `--include=${DEBIAN_PACKAGES.join(',')}`];
  const { code, output } = await runChild([...argv, suite, folder], { timeoutMs: 600_000 });
  if (code !== 0)
    throw new Error(`Cannot make the Debian of the virtual machine: ${output.trim()}`);
}
