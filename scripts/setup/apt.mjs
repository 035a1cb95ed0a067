/**
 * The programs that do not come from npm, and how to get them on Debian. As
 * root they are installed; everybody else is told one line to run.
 */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  findProgram,
  isRoot,
  isStaticProgram,
  isThere,
  ROOT,
  run,
  say,
  SetupError,
} from './host.mjs';

const DAY_MS = 24 * 3_600_000;

const has = (program) => () => findProgram(program) !== undefined;

/** A statically linked busybox, which can run alone in a container's root. */
function hasStaticBusybox() {
  const path = findProgram('busybox');
  return path !== undefined && isStaticProgram(path);
}

/**
 * Debian package → is it (or its like) already here? `isWished`: carve works
 * without it, so a failing installation is no error.
 */
const PACKAGES = {
  make: { isHere: has('make') },
  gcc: { isHere: has('gcc') },
  'libc6-dev': { isHere: () => isThere('/usr/include/stdlib.h') },
  'linux-libc-dev': { isHere: () => isThere('/usr/include/linux/seccomp.h') },
  'musl-tools': { isHere: has('musl-gcc'), isWished: true },
  mmdebstrap: { isHere: has('mmdebstrap') },
  'busybox-static': { isHere: hasStaticBusybox },
  attr: { isHere: has('setfattr') },
  'xz-utils': { isHere: has('xz') },
  pigz: { isHere: has('pigz'), isWished: true },
  'docker-registry': { isHere: has('docker-registry') },
  // The client; newer releases have a package for it alone.
  'docker-cli': { isHere: has('docker'), orElse: 'docker.io' },
  'docker-compose': { isHere: has('docker-compose') },
  'docker.io': { isHere: has('dockerd') },
  podman: { isHere: has('podman') },
  crun: { isHere: has('crun') },
  runc: { isHere: has('runc') },
  iproute2: { isHere: has('ip') },
  iptables: { isHere: has('iptables') },
  nftables: { isHere: has('nft') },
  iperf3: { isHere: has('iperf3'), isWished: true },
  skopeo: { isHere: has('skopeo') },
  umoci: { isHere: has('umoci') },
  'apache2-utils': { isHere: has('htpasswd') },
  openssl: { isHere: has('openssl') },
  ldnsutils: { isHere: has('drill') },
  e2fsprogs: { isHere: has('mke2fs') },
  'qemu-system-x86': { isHere: has('qemu-system-x86_64') },
};

/** Packages of each need; a task names its needs in `scripts/setup.mjs`. */
const NEEDS = {
  compiler: ['make', 'gcc', 'libc6-dev', 'linux-libc-dev', 'musl-tools'],
  images: ['mmdebstrap'],
  isolation: ['iproute2'],
  tests: [
    'attr',
    'busybox-static',
    'nftables',
    'iptables',
    'xz-utils',
    'docker-cli',
    'docker.io',
    'docker-compose',
    'docker-registry',
    'skopeo',
    'umoci',
    'apache2-utils',
    'openssl',
    'ldnsutils',
  ],
  bench: ['busybox-static', 'pigz', 'iproute2', 'iperf3'],
  peers: ['docker-cli', 'docker.io', 'podman', 'crun', 'runc', 'iproute2'],
  vm: ['qemu-system-x86', 'busybox-static', 'mmdebstrap', 'e2fsprogs', 'xz-utils'],
};

/** Packages of `needs` that are not here. */
export function missingPackages(needs) {
  const names = [...new Set(needs.flatMap((need) => NEEDS[need]))];
  return names.filter((name) => !PACKAGES[name].isHere());
}

/** True when nothing is missing that must be here or that could be installed. */
export function packagesAreCurrent(needs) {
  const isSettled = (name) =>
    PACKAGES[name].isWished === true && (!canInstall() || failedLately(name));
  return missingPackages(needs).every(isSettled);
}

const failureNote = (name) => join(ROOT, 'build', `apt-${name}.failed`);

/** A wished package that the mirror did not have is asked for once a day, not at every start. */
function failedLately(name) {
  return isYoung(failureNote(name));
}

function isYoung(path) {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs < DAY_MS;
}

function canInstall() {
  return isRoot() && findProgram('apt-get') !== undefined;
}

/** Package lists that an `apt-get update` left behind. */
function listsAreThere() {
  try {
    return readdirSync('/var/lib/apt/lists').some(
      (name) =>
        name.endsWith('_Packages') || name.includes('_Packages.') || name.endsWith('_InRelease'),
    );
  } catch {
    return false;
  }
}

function listsAreFresh() {
  return listsAreThere() && isYoung('/var/lib/apt/lists');
}

const QUIET = ['-qq', '-o', 'Dpkg::Use-Pty=0', '-o', 'DPkg::Lock::Timeout=300'];

function aptGet(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('Cannot install Debian packages', [findProgram('apt-get'), ...QUIET, ...args], { env });
}

/** Updates the lists at most once in a process. */
let isUpdated = false;
function update() {
  if (isUpdated) return;
  isUpdated = true;
  aptGet(['update']);
}

const POLICY = '/usr/sbin/policy-rc.d';

/** Installing a program must not start a service on the machine it is installed on. */
function withoutServices(body) {
  if (isThere(POLICY)) return body();
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return body();
  } finally {
    rmSync(POLICY, { force: true });
  }
}

/** The package to ask for: the other name where the archive does not have the first. */
function available(name) {
  const { orElse } = PACKAGES[name];
  if (orElse === undefined) return name;
  const { stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' });
  return /Candidate: \d/.test(stdout ?? '') ? name : orElse;
}

function install(names) {
  withoutServices(() => installNow(names));
}

function installNow(names) {
  if (!listsAreFresh()) update();
  const args = [
    'install',
    '-y',
    '--no-install-recommends',
    ...names.map((name) => available(name)),
  ];
  try {
    aptGet(args);
  } catch (error) {
    // The mirror may have moved on since the lists were fetched.
    if (isUpdated) throw error;
    update();
    aptGet(args);
  }
}

/** Installs what {@link missingPackages} lists, or says what to install. */
export function installPackages(needs) {
  const missing = missingPackages(needs);
  const required = missing.filter((name) => PACKAGES[name].isWished !== true);
  if (!canInstall()) {
    if (required.length === 0) return;
    const line = `apt-get install --no-install-recommends ${required.join(' ')}`;
    const how =
      findProgram('apt-get') === undefined
        ? `install what Debian calls ${required.join(', ')}`
        : `run as root: ${line}`;
    throw new SetupError(`Programs are missing; ${how}`);
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  if (required.length > 0) install(required);
  for (const name of missing.filter((one) => PACKAGES[one].isWished === true)) {
    try {
      install([name]);
    } catch {
      say(`${name} cannot be installed; going on without it`);
      mkdirSync(join(ROOT, 'build'), { recursive: true });
      writeFileSync(failureNote(name), '');
    }
  }
}
