import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EngineError } from '../../src/base/error.ts';
import type { ContainerInspect } from '../../src/spec/docker/inspect.ts';
import { EngineFixture, groupsOf } from '../kernel/engine-fixture.ts';
import type { Acknowledged } from './scenario.ts';
import { live } from './scenario.ts';
import { FALLIBLE, SITES } from './sites.ts';

/** Runs the victim; what it acknowledged, and how it ended. */
async function runVictim(
  fixture: EngineFixture,
  rule: string,
): Promise<{
  readonly acknowledged: readonly Acknowledged[];
  readonly signal: string | null;
  readonly errors: string;
}> {
  const args = [join(import.meta.dirname, 'victim.ts'), fixture.directory, fixture.engineId, rule];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, err, signal] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<string | null>((resolve) => child.once('close', (_code, ended) => resolve(ended))),
  ]);
  const lines = out.split('\n').filter((line) => line !== '');
  return {
    acknowledged: lines.map((line) => JSON.parse(line) as Acknowledged),
    signal,
    errors: err,
  };
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += String(chunk);
  return all;
}

/** What must hold after an acknowledged step, whatever happened to the next one. */
function checkTruth(last: Acknowledged | undefined, found: ContainerInspect | undefined): void {
  if (last === undefined) return;
  if (last.step === 'removed' || last.step === 'unharmed') assert.equal(found, undefined);
  // The next step may have been completed: a removal under way.
  else if (last.step !== 'started again') assert.ok(found !== undefined, `lost after ${last.step}`);
  if (found === undefined) return;
  const { State, Name, HostConfig } = found;
  if (State.Running)
    assert.equal(existsSync(`/proc/${State.Pid}`), true, 'says it runs, and does not');
  const after = (step: string): boolean => ORDER.indexOf(last.step) >= ORDER.indexOf(step);
  if (after('renamed')) assert.equal(Name, '/renamed');
  if (after('updated')) assert.equal(HostConfig.PidsLimit, 99);
  if (last.step === 'stopped') assert.notEqual(State.Status, 'created');
  if (['started', 'connected', 'disconnected', 'unpaused', 'updated'].includes(last.step))
    assert.equal(State.Running, true);
}

const ORDER = [
  'created',
  'started',
  'connected',
  'disconnected',
  'paused',
  'unpaused',
  'updated',
  'renamed',
  'restarted',
  'stopped',
  'started again',
  'removed',
  'unharmed',
];

/** Remove what is there, and find nothing. */
async function checkNothingLeft(fixture: EngineFixture): Promise<void> {
  const { containers } = fixture.engine;
  for (const { Id } of await containers.list({ all: true, size: false, filters: {} })) {
    await containers.remove(Id, { force: true, volumes: true });
  }
  for (const { Id } of await fixture.engine.networks.list({ type: ['custom'] }))
    await fixture.engine.networks.remove(Id);
  assert.deepEqual(groupsOf(fixture), []);
  await fixture.close();
  assert.deepEqual(linksOf(fixture), []);
  const { directory } = fixture;
  const entries = (path: string): readonly string[] =>
    readdirSync(`${directory}/${path}`).filter((name) => !name.startsWith('.trash'));
  assert.deepEqual(entries('root/containers'), []);
  assert.deepEqual(entries('root/snapshots/snapshots'), []);
  assert.deepEqual(entries('run/c'), []);
  assert.deepEqual(
    entries('root/volumes').filter((name) => name !== 'named'),
    [],
  );
  assert.deepEqual(monitorsOf(directory), []);
}

/** What an engine has in the kernel for its networks; ends of veth pairs go with their namespace, soon. */
function linksOf(fixture: EngineFixture): readonly string[] {
  const links =
    readFileSync('/proc/self/net/dev', 'utf8').match(/\b(?:carve-|br-)[0-9a-f]+/g) ?? [];
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n');
  return [...links, ...tables.filter((line) => line.includes(fixture.engineId.slice(0, 12)))];
}

/** Processes that know this engine's directory. */
function monitorsOf(directory: string): readonly string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const links = readdirSync(`/proc/${pid}/fd`);
      return (
        readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('chisel') &&
        links.length > 0 &&
        readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)
      );
    } catch {
      return false;
    }
  });
}

for (const site of SITES) {
  test(`killed at ${site}, the next open knows the truth and nothing is left`, async () => {
    await using fixture = new EngineFixture();
    const { acknowledged, signal, errors } = await runVictim(fixture, `${site}=kill`);
    assert.equal(signal, 'SIGKILL', `${site} was not reached: ${errors}`);
    const { containers } = await fixture.open();
    const [first] = acknowledged;
    const found =
      first === undefined ? undefined : await containers.inspect(first.id).catch(() => undefined);
    checkTruth(acknowledged.at(-1), found);
    const all = await containers.list({ all: true, size: false, filters: {} });
    assert.ok(all.length <= 1);
    for (const { State, Id } of all) {
      if (State === 'paused') await containers.unpause(Id);
      else if (State !== 'running') await containers.start(Id);
      assert.equal((await containers.inspect(Id)).State.Status, 'running');
    }
    await checkNothingLeft(fixture);
  });
}

for (const site of FALLIBLE) {
  test(`an error at ${site} is told, and nothing is left`, async () => {
    await using fixture = new EngineFixture();
    let isArmed = true;
    const engine = await fixture.open({
      hit: (hit) => {
        if (!isArmed || hit !== site) return;
        isArmed = false;
        throw new EngineError('internal', `planted at ${site}`);
      },
    });
    await assert.rejects(
      live(engine, () => undefined),
      { message: `planted at ${site}` },
    );
    const all = await engine.containers.list({ all: true, size: false, filters: {} });
    assert.equal(all.length, site.startsWith('create.') ? 0 : 1);
    if (!site.startsWith('create.')) {
      const [{ Id, State } = { Id: '', State: '' }] = all;
      if (State === 'paused') await engine.containers.unpause(Id);
      else if (State !== 'running') await engine.containers.start(Id);
      assert.equal((await engine.containers.inspect(Id)).State.Running, true);
    }
    await checkNothingLeft(fixture);
  });
}
