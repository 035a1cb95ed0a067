/** This checkout inside the virtual machine, so that its kernel tests run there as they run here. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, TOOLS } from '../tools.ts';
import type { VmFile, VmFiles } from './disk.ts';

const SHARED = [
  'package.json',
  'tsconfig.json',
  'src',
  'test',
  'scripts',
  'bench',
  'node_modules/fast-check',
  'node_modules/pure-rand',
  'build/chisel',
  'build/chisel-asan',
];

/** The sources, the chisel and, as `bun`, the runtime. */
export function checkoutFiles(): VmFiles {
  const copy = (from: string): VmFile => ({ kind: 'copy', from });
  const present = SHARED.filter((path) => existsSync(join(ROOT, path)));
  const entries = present.map((path): [string, VmFile] => [path, copy(join(ROOT, path))]);
  return { bun: copy(TOOLS.bun), ...Object.fromEntries(entries) };
}
