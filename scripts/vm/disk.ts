/**
 * The virtual machine's disk: a folder of programs with the libraries they
 * need, made into an ext4 image without mounting anything.
 */

import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { runChild } from '../child.ts';

/** What to put on the disk. */
export type VmFile =
  /** A file or a folder of the host; a dynamic program brings its libraries. */
  | { readonly kind: 'copy'; readonly from: string }
  /** Text with permission bits (default 0644). */
  | { readonly kind: 'text'; readonly text: string; readonly mode?: number };

/** Path in the machine (absolute) → contents. */
export type VmFiles = Readonly<Record<string, VmFile>>;

const EMPTY_FOLDERS = [
  'dev',
  'proc',
  'sys',
  'run',
  'tmp',
  'root',
  'etc',
  'bin',
  'sbin',
  'var/lib',
  'var/log',
  'mnt',
];
const DISK_BYTES = 4 * 1024 ** 3;

/** Makes `image` from `files` by way of the folder `staging`, which is removed again. */
export async function makeDisk(files: VmFiles, staging: string, image: string): Promise<void> {
  try {
    for (const folder of EMPTY_FOLDERS) mkdirSync(join(staging, folder), { recursive: true });
    chmodSync(join(staging, 'tmp'), 0o1777);
    for (const [path, file] of Object.entries(files)) await place(staging, path, file);
    const options = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-E', 'root_owner=0:0'];
    const argv = ['mke2fs', ...options, '-d', staging, image, String(DISK_BYTES / 1024)];
    const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
    const { code, output } = await runChild(argv, { env: { PATH: path } });
    if (code !== 0)
      throw new Error(`Cannot make the disk of the virtual machine: ${output.trim()}`);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

async function place(staging: string, path: string, file: VmFile): Promise<void> {
  const target = join(staging, path);
  mkdirSync(dirname(target), { recursive: true });
  if (file.kind === 'text') {
    writeFileSync(target, file.text);
    chmodSync(target, file.mode ?? 0o644);
  } else if (statSync(file.from).isDirectory()) {
    cpSync(file.from, target, { recursive: true });
  } else {
    copyFileSync(file.from, target);
    for (const library of await librariesOf(file.from)) placeLibrary(staging, library);
  }
}

function placeLibrary(staging: string, path: string): void {
  const target = join(staging, path);
  if (existsSync(target)) return;
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(path, target);
}

/** Absolute paths of the libraries a program is linked with; none for a static one or a script. */
async function librariesOf(program: string): Promise<readonly string[]> {
  const { code, stdout } = await runChild(['ldd', program]);
  if (code !== 0) return [];
  return [...stdout.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map((match) => match[1] ?? '');
}
