/**
 * Installs the npm packages of the lock file. `node_modules` is up to date
 * when npm's own record of what it installed agrees with the lock file for
 * every package that this machine can use: no stamp of ours can be wrong.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bunPackage,
  bunProgram,
  findProgram,
  isThere,
  ROOT,
  run,
  say,
  SetupError,
  systemPath,
} from './host.mjs';

/** Does an `os`, `cpu` or `libc` field (a name, a list, absent) admit `value`? Source: npm package.json "os", "cpu". */
export function admits(field, value) {
  if (field === undefined) return true;
  const names = Array.isArray(field) ? field : [field];
  if (names.includes(`!${value}`)) return false;
  const positive = names.filter((name) => !name.startsWith('!'));
  return positive.length === 0 || positive.includes(value);
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Names of the locked packages that are not installed as the lock says. */
export function missingPackages(locked, installed, machine) {
  const missing = [];
  for (const [path, wanted] of Object.entries(locked)) {
    if (path === '' || wanted.link === true) continue;
    if (wanted.optional === true && !fits(wanted, machine)) continue;
    const present = installed?.[path] ?? {};
    if (present.version !== wanted.version || present.integrity !== wanted.integrity) {
      missing.push(path);
    }
  }
  return missing;
}

function fits(wanted, { os, cpu, libc }) {
  return admits(wanted.os, os) && admits(wanted.cpu, cpu) && admits(wanted.libc, libc);
}

function thisMachine() {
  const loaders = ['/lib64/ld-linux-x86-64.so.2', '/lib/ld-linux-aarch64.so.1'];
  const libc = loaders.some((path) => isThere(path)) ? 'glibc' : 'musl';
  return { os: process.platform, cpu: process.arch, libc };
}

/** True when `npm ci` has nothing to do. */
export function modulesAreCurrent() {
  const locked = readPackages(join(ROOT, 'package-lock.json'));
  if (locked === undefined)
    throw new SetupError('package-lock.json is missing; restore it with git');
  const installed = readPackages(join(ROOT, 'node_modules', '.package-lock.json'));
  return missingPackages(locked, installed, thisMachine()).length === 0 && isThere(bunProgram());
}

/** Installs what {@link modulesAreCurrent} misses. */
export function installModules() {
  const npm = findProgram('npm');
  if (npm === undefined)
    throw new SetupError('npm is missing; install Node.js 20 or later with its npm');
  const env = { ...process.env, PATH: systemPath().join(':') };
  say('installing the npm packages of package-lock.json');
  const ci = [npm, 'ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  run('Cannot install the npm packages', ci, { env });
  if (isThere(bunProgram())) return;
  const wanted = `${bunPackage()}@${readPackages(join(ROOT, 'package-lock.json'))['node_modules/@oven/bun-linux-x64'].version}`;
  say(`this CPU needs ${wanted}`);
  const extra = [
    'install',
    '--no-save',
    '--no-package-lock',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    wanted,
  ];
  run(`Cannot install ${wanted}`, [npm, ...extra], { env });
  if (!isThere(bunProgram()))
    throw new SetupError(`The package ${wanted} brought no ${bunProgram()}`);
}
