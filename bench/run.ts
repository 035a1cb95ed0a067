/**
 * `npm run bench`: carve side by side with the container engines of this
 * machine. Only ratios taken in one run count; a benchmark is never a test.
 *
 * Options: `--rows a,b` (which), `--quick` (fewer runs), `--json FILE`,
 * `--install` (the other engines first, from Debian, as root), `--profile` (where
 * carve's own time goes), `--list`.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChild } from '../scripts/child.ts';
import { TOOLS } from '../scripts/tools.ts';
import { importImage } from './api.ts';
import { type CarveUnderTest, startCarve } from './carve.ts';
import { removeNewCgroups, topCgroups } from './cgroups.ts';
import { type DockerUnderTest, startDocker } from './docker.ts';
import { enterNamespace } from './namespace.ts';
import { profileLives } from './profile.ts';
import { findPeers, INSTALL_SENTENCE, type Peers } from './peers.ts';
import { makeRootfs, packFolder } from './rootfs.ts';
import type { Bench, Row, RowResult } from './row.ts';
import { bridge } from './rows/bridge.ts';
import { cliRun } from './rows/cli-run.ts';
import { concurrent } from './rows/concurrent.ts';
import { exec } from './rows/exec.ts';
import { load } from './rows/load.ts';
import { lifecycle } from './rows/lifecycle.ts';
import { logs } from './rows/logs.ts';
import { memory } from './rows/memory.ts';
import { pull } from './rows/pull.ts';
import { throughput } from './rows/throughput.ts';
import { unpack } from './rows/unpack.ts';
import { formatRow, verdicts } from './table.ts';

const ROWS: readonly Row[] = [
  memory,
  lifecycle,
  bridge,
  throughput,
  exec,
  cliRun,
  concurrent,
  logs,
  unpack,
  load,
  pull,
];

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    json: { type: 'string' },
    quick: { type: 'boolean', default: false },
    install: { type: 'boolean', default: false },
    profile: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

async function main(): Promise<number> {
  if (values.list) {
    for (const { name } of ROWS) console.log(name);
    return 0;
  }
  if (process.getuid?.() !== 0) {
    console.error('The bench starts daemons and namespaces: run it as root');
    return 1;
  }
  const rows = chosenRows();
  if (rows === undefined) return 2;
  await buildCarve();
  enterNamespace();
  if (values.profile) return profile();
  const results = await measure(rows);
  if (values.json !== undefined) writeJson(values.json, results);
  return 0;
}

async function profile(): Promise<number> {
  const work = mkdtempSync(join(tmpdir(), 'carve-bench-'));
  try {
    await makeImage(work);
    await profileLives(work);
    return 0;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** `rootfs`, the unpacked root, and `rootfs.tar`. */
async function makeImage(work: string): Promise<void> {
  const rootfs = join(work, 'rootfs');
  mkdirSync(rootfs);
  makeRootfs(rootfs);
  await packFolder(rootfs, join(work, 'rootfs.tar'));
}

function chosenRows(): readonly Row[] | undefined {
  if (values.rows === undefined) return ROWS;
  const names = values.rows.split(',');
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name));
  if (unknown !== undefined) {
    console.error(`There is no row ${unknown}: ${ROWS.map((row) => row.name).join(', ')}`);
    return undefined;
  }
  return ROWS.filter((row) => names.includes(row.name));
}

async function buildCarve(): Promise<void> {
  const { code, output } = await runChild([TOOLS.bun, 'scripts/build.ts'], { timeoutMs: 300_000 });
  if (code !== 0) throw new Error(`Cannot build carve: ${output.trim()}`);
}

async function measure(rows: readonly Row[]): Promise<readonly RowResult[]> {
  const work = mkdtempSync(join(tmpdir(), 'carve-bench-'));
  const results: RowResult[] = [];
  const cgroups = topCgroups();
  let bench: Bench | undefined;
  try {
    bench = await startAll(work, await findPeers());
    describePeers(bench.peers);
    for (const row of rows) {
      for (const result of await row.run(bench)) {
        console.log(formatRow(result));
        results.push(result);
      }
    }
    return results;
  } finally {
    await bench?.carve.stop();
    await bench?.docker?.stop();
    rmSync(work, { recursive: true, force: true });
    removeNewCgroups(cgroups);
  }
}

/** Starts the daemons and gives each the image; on failure those that run are stopped. */
async function startAll(work: string, peers: Peers): Promise<Bench> {
  const rootfs = join(work, 'rootfs');
  const archive = join(work, 'rootfs.tar');
  await makeImage(work);
  const started: { stop(): Promise<void> }[] = [];
  try {
    const carve: CarveUnderTest = await startCarve(join(work, 'carve'));
    started.push(carve);
    await importImage(carve.api, archive);
    let docker: DockerUnderTest | undefined;
    if (peers.dockerd !== undefined) {
      docker = await startDocker(join(work, 'docker'));
      started.push(docker);
      await importImage(docker.api, archive);
    }
    return { carve, docker, peers, work, rootfs, effort: values.quick ? 0.2 : 1 };
  } catch (error) {
    for (const daemon of started) await daemon.stop();
    throw error;
  }
}

function describePeers(peers: Peers): void {
  console.log(`Linux ${release()}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}`);
  const versions = Object.values(peers).filter((version) => version !== undefined);
  for (const version of new Set(versions)) console.log(`  ${version}`);
  if (Object.values(peers).includes(undefined)) console.log(INSTALL_SENTENCE);
  console.log('');
}

function writeJson(file: string, results: readonly RowResult[]): void {
  const rows = results.map((row) => ({ ...row, verdicts: verdicts(row) }));
  const machine = { kernel: release(), cores: cpus().length, model: cpus()[0]?.model };
  writeFileSync(file, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`);
}

process.exitCode = await main();
