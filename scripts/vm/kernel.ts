/**
 * A kernel for the virtual machine: Debian's cloud kernel, unpacked below
 * `build/vm` and never installed, and the modules carve needs from it in the
 * order in which they can be loaded.
 */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { runChild } from '../child.ts';
import { ROOT } from '../tools.ts';

/** An unpacked kernel. */
export interface VmKernel {
  readonly release: string;
  /** Path of the bootable image. */
  readonly image: string;
  /** Folder of its modules. */
  readonly modules: string;
}

const FOLDER = join(ROOT, 'build', 'vm');
const META_PACKAGE = 'linux-image-cloud-amd64';

/** Downloads and unpacks the kernel unless that is done. Throws a sentence that says what is missing. */
export async function ensureKernel(): Promise<VmKernel> {
  return findKernel(FOLDER) ?? (await fetchKernel());
}

async function fetchKernel(): Promise<VmKernel> {
  mkdirSync(FOLDER, { recursive: true });
  const work = mkdtempSync(join(FOLDER, 'fetch-'));
  try {
    const name = await kernelPackage();
    await must(['apt-get', '-qq', 'download', name], work);
    const file = readdirSync(work).find((one) => one.endsWith('.deb'));
    if (file === undefined) throw new Error(`apt-get download ${name} brought no package`);
    await must(['dpkg', '-x', file, 'root'], work);
    renameSync(join(work, 'root'), join(FOLDER, `kernel-${name}`));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  const kernel = findKernel(FOLDER);
  if (kernel === undefined) throw new Error(`The package brought no kernel into ${FOLDER}`);
  return kernel;
}

/** The package that the meta package stands for today; updates the lists once when there are none. */
async function kernelPackage(): Promise<string> {
  for (const attempt of [1, 2]) {
    const { output } = await runChild(['apt-cache', 'depends', META_PACKAGE]);
    const name = /Depends: (linux-image-[\w.+-]+)/.exec(output)?.[1];
    if (name !== undefined) return name;
    if (attempt === 1) await runChild(['apt-get', '-qq', 'update']);
  }
  throw new Error(
    `The package lists know no ${META_PACKAGE}: run apt-get update on a Debian machine`,
  );
}

async function must(argv: readonly string[], cwd: string): Promise<void> {
  const { code, output } = await runChild(argv, { cwd });
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${output.trim()}`);
}

function findKernel(folder: string): VmKernel | undefined {
  if (!existsSync(folder)) return undefined;
  const name = readdirSync(folder)
    .filter((one) => one.startsWith('kernel-'))
    .sort()
    .at(-1);
  if (name === undefined) return undefined;
  const root = join(folder, name);
  const image = readdirSync(join(root, 'boot')).find((one) => one.startsWith('vmlinuz-'));
  if (image === undefined) return undefined;
  const release = image.slice('vmlinuz-'.length);
  const library = existsSync(join(root, 'usr/lib/modules')) ? 'usr/lib/modules' : 'lib/modules';
  return { release, image: join(root, 'boot', image), modules: join(root, library, release) };
}

/** A module's name and the bytes the kernel loads. */
export interface VmModule {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** The named modules and all they depend on, each after what it needs. A name the kernel has built in is left out. */
export async function loadOrder(
  kernel: VmKernel,
  names: readonly string[],
): Promise<readonly VmModule[]> {
  const paths = modulePaths(kernel);
  const ordered = new Map<string, VmModule>();
  const visit = async (name: string): Promise<void> => {
    const path = paths.get(normal(name));
    if (path === undefined || ordered.has(normal(name))) return;
    const bytes = await readModule(path);
    for (const needed of dependencies(bytes)) await visit(needed);
    ordered.set(normal(name), { name: normal(name), bytes });
  };
  for (const name of names) await visit(name);
  return [...ordered.values()];
}

const normal = (name: string): string => name.replaceAll('-', '_');

function modulePaths(kernel: VmKernel): ReadonlyMap<string, string> {
  const files = readdirSync(kernel.modules, { recursive: true, encoding: 'utf8' });
  return new Map(
    files
      .filter((path) => /\.ko(?:\.xz|\.zst)?$/.test(path))
      .map((path) => [normal(basename(path).replace(/\.ko.*$/, '')), join(kernel.modules, path)]),
  );
}

async function readModule(path: string): Promise<Uint8Array> {
  if (path.endsWith('.ko')) return readFileSync(path);
  const unpacked = path.replace(/\.(?:xz|zst)$/, '');
  if (!existsSync(unpacked)) await must([path.endsWith('.xz') ? 'xz' : 'zstd', '-dkq', path], '/');
  return readFileSync(unpacked);
}

/** The `depends=` line that modpost writes into a module's .modinfo section. */
export function dependencies(bytes: Uint8Array): readonly string[] {
  const strings = Buffer.from(bytes).toString('latin1').split('\0');
  const list = strings.find((text) => text.startsWith('depends='))?.slice('depends='.length) ?? '';
  return list === '' ? [] : list.split(',');
}
