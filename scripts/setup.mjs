/**
 * The way in of every npm script: makes the checkout ready for a task, then
 * runs it with the pinned Bun. Plain JavaScript without packages: it is the
 * only thing here that a bare Node 20 can run.
 *
 * `node scripts/setup.mjs [TASK [ARGS…]]`; without a task it prepares for all.
 *
 * **Invariant:** when nothing changed, nothing is run and nothing is printed.
 */

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { installPackages, packagesAreCurrent } from './setup/apt.mjs';
import { buildChisel, chiselIsCurrent } from './setup/chisel.mjs';
import { bunProgram, ROOT, SetupError } from './setup/host.mjs';
import { withLock } from './setup/lock.mjs';
import { installModules, modulesAreCurrent } from './setup/npm.mjs';

/**
 * Task → what it needs (`packages`: needs of apt.mjs; `chisel`: the built
 * binary) and what it runs. Every task needs the npm packages.
 */
const TASKS = {
  start: {
    packages: ['compiler', 'images'],
    chisel: true,
    entry: (args) => (args.length === 0 ? ['scripts/start.ts'] : ['src/bin.ts']),
  },
  test: {
    packages: ['compiler', 'images', 'isolation', 'tests', 'vm'],
    chisel: true,
    entry: () => ['scripts/test.ts'],
  },
  'test:unit': { packages: ['isolation'], entry: () => ['scripts/test.ts', 'unit'] },
  'test:kernel': {
    packages: ['compiler', 'images', 'isolation', 'tests'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'kernel'],
  },
  'test:faults': {
    packages: ['compiler', 'images', 'isolation', 'tests'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'faults'],
  },
  'test:compat': {
    packages: ['compiler', 'images', 'isolation', 'tests'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'compat'],
  },
  'test:fuzz': {
    packages: ['compiler', 'isolation', 'tests'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'fuzz'],
  },
  'test:dist': {
    packages: ['compiler', 'isolation', 'tests'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'dist'],
  },
  'test:vm': {
    packages: ['compiler', 'isolation', 'vm'],
    chisel: true,
    entry: () => ['scripts/test.ts', 'vm'],
  },
  check: { packages: [], entry: () => ['scripts/check.ts'] },
  format: { packages: [], entry: () => ['scripts/format.ts'] },
  build: { packages: ['compiler'], chisel: true, entry: () => ['scripts/build.ts'] },
  bench: {
    packages: (args) => ['compiler', 'bench', ...(args.includes('--install') ? ['peers'] : [])],
    chisel: true,
    entry: () => ['bench/run.ts'],
  },
};

const EVERYTHING = { packages: ['compiler', 'images', 'tests', 'vm', 'bench'], chisel: true };

function prepare({ packages, chisel }) {
  const isReady = () =>
    modulesAreCurrent() && packagesAreCurrent(packages) && (chisel !== true || chiselIsCurrent());
  if (isReady()) return;
  withLock(() => {
    if (!packagesAreCurrent(packages)) installPackages(packages);
    if (!modulesAreCurrent()) installModules();
    if (chisel === true && !chiselIsCurrent()) buildChisel();
  });
}

/** Runs the task's program in our place: same streams, same exit code, signals passed on. */
function runTask(argv, cwd) {
  const child = spawn(bunProgram(), argv, { stdio: 'inherit', cwd });
  // A terminal sends these to the child too; only the child decides what they mean.
  process.on('SIGINT', () => {});
  process.on('SIGQUIT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`setup: cannot run ${bunProgram()}: ${error.message}\n`);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function main([task, ...args]) {
  if (task === undefined) return prepare(EVERYTHING);
  const known = Object.hasOwn(TASKS, task) ? TASKS[task] : undefined;
  if (known === undefined) {
    throw new SetupError(`Unknown task ${task}; there are ${Object.keys(TASKS).join(', ')}`);
  }
  const { packages, chisel } = known;
  prepare({ packages: typeof packages === 'function' ? packages(args) : packages, chisel });
  const [entry, ...fixed] = known.entry(args);
  // npm changes to the checkout; a path given to `npm start -- …` means the caller's directory.
  const cwd = task === 'start' ? (process.env.INIT_CWD ?? process.cwd()) : ROOT;
  runTask([join(ROOT, entry), ...fixed, ...args], cwd);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  const sentence = sentenceOf(error);
  if (sentence === undefined) throw error;
  process.stderr.write(`setup: ${sentence}\n`);
  process.exitCode = 1;
}

/** What somebody can mend is a sentence; anything else is a defect and keeps its stack. */
function sentenceOf(error) {
  if (error instanceof SetupError) return error.message;
  const reasons = {
    EACCES: 'it belongs to another user',
    EPERM: 'it belongs to another user',
    EROFS: 'its file system is read-only',
    ENOSPC: 'its disk is full',
  };
  const reason = reasons[error.code];
  return reason === undefined ? undefined : `Cannot write ${error.path}: ${reason}`;
}
