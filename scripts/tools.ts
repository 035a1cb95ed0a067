/**
 * Where the project's own tools are. Native programs are called directly: the
 * JavaScript launchers of npm packages cost up to 60 ms each.
 */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Root of the checkout. */
export const ROOT: string = dirname(import.meta.dirname);

const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64';

/** Path below `node_modules`. */
function packaged(...parts: string[]): string {
  return join(ROOT, 'node_modules', ...parts);
}

/** The pinned programs. */
export const TOOLS = {
  /** The Bun that runs this script: setup.mjs chose it for the CPU. */
  bun: process.versions['bun'] === undefined ? findBun() : process.execPath,
  /** The Node.js that unit tests must also pass on. */
  node: packaged(`node-linux-${ARCH}`, 'bin', 'node'),
  tsc: packaged('@typescript', `typescript-linux-${ARCH}`, 'lib', 'tsc'),
  biome: packaged('@biomejs', `cli-linux-${ARCH}`, 'biome'),
  /** A script for Node: oxlint is a native addon. */
  oxlint: packaged('oxlint', 'bin', 'oxlint'),
  /** oxlint runs it for the rules that need types. */
  tsgolint: packaged('@oxlint-tsgolint', `linux-${ARCH}`, 'tsgolint'),
} as const;

function findBun(): string {
  const folders = ['bun-linux-x64', 'bun-linux-aarch64', 'bun-linux-x64-baseline'];
  const programs = folders.map((folder) => packaged('@oven', folder, 'bin', 'bun'));
  return programs.find((path) => existsSync(path)) ?? 'bun';
}

/** How oxlint finds its type-aware half: the platform package alone, without the launcher package. */
export const LINT_ENV: Readonly<Record<string, string>> = { OXLINT_TSGOLINT_PATH: TOOLS.tsgolint };

/** Lints a tree with this project's configuration. */
export function lintArgv(folder: string, ...flags: string[]): readonly string[] {
  return [TOOLS.node, TOOLS.oxlint, '--type-aware', '--deny-warnings', ...flags, folder];
}
