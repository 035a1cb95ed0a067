/** Row 48 of the fault matrix: what an engine finds on the machine when it opens. What is its own and nobody's goes, with a count in the log; what is others' stays. */

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { DaemonFixture, isGone, parentOf, until } from './daemon-fixture.ts';

const STRAY = 'f'.repeat(64);
const OTHER_ENGINE = 'e'.repeat(32);

const sh = (script: string): string => execFileSync('sh', ['-ec', script], { encoding: 'utf8' });

const published = (hostPort: number): object => ({
  HostConfig: {
    NetworkMode: 'bridge',
    PortBindings: { '80/tcp': [{ HostIp: '', HostPort: String(hostPort) }] },
  },
});

/** A hierarchy's directory in which control groups are made. */
function hierarchy(): string {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .find((each) => / - cgroup2? /.test(each) && (/ - cgroup2 /.test(each) || /pids/.test(each)));
  return line?.split(' ')[4] ?? '/sys/fs/cgroup';
}

/** Whether a program of the host may have the port. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '0.0.0.0');
  const free = await Promise.race([
    once(server, 'listening').then(() => true),
    once(server, 'error').then(() => false),
  ]).catch(() => false);
  server.close();
  return free;
}

/** Facts of the log's lines with this text. */
function told(log: string, text: string): string {
  return log
    .split('\n')
    .filter((line) => line.includes(text))
    .join('\n');
}

test('row 48: leftovers of this engine go and are counted, mounts before anything is deleted through them; others’ stay', async () => {
  await using engine = await DaemonFixture.open();
  const canary = join(engine.folder, 'canary');
  mkdirSync(join(canary, 'deep'), { recursive: true });
  writeFileSync(join(canary, 'deep/file'), 'kept');
  const kept = await engine.create('kept', ['sleep', '1000'], published(8080));
  const lost = await engine.create('lost', ['sleep', '1000'], published(8081));
  const dead = await engine.create('dead', ['sleep', '1000'], published(8082));
  for (const id of [kept, lost, dead]) await engine.startContainer(id);
  const pids = {
    lost: (await engine.state(lost)).Pid,
    dead: (await engine.state(dead)).Pid,
  };
  const monitor = parentOf(pids.dead);
  await engine.end('SIGKILL');
  // One container whose monitor cannot clean up, and one that no record knows any more.
  for (const pid of [monitor, pids.dead]) process.kill(pid, 'SIGKILL');
  await until('it is gone', () => isGone(pids.dead));
  const database = new DatabaseSync(`${engine.root}/state.db`);
  database.exec(`DELETE FROM containers WHERE id = '${lost}'`);
  database.close();

  // Ours.
  const group = Number.parseInt(engine.engineId.slice(0, 7), 16) + 1;
  const [, table = ''] = /table inet (carve-\S+) \{\s+map publish4/.exec(sh('nft list maps')) ?? [];
  const groups = `${hierarchy()}/carve`;
  const ours = [
    `${engine.run}/c/${STRAY}/bound`,
    `${engine.run}/c/${STRAY}/netns`,
    `${engine.root}/trash/old/with space`,
    `${engine.root}/containers/${STRAY}/x`,
  ];
  for (const place of ours) mkdirSync(place, { recursive: true });
  rmdirSync(ours[1] ?? '');
  writeFileSync(ours[1] ?? '', '');
  sh(`
    mount --bind '${canary}' '${ours[0]}'
    mount --bind /proc/self/ns/net '${ours[1]}'
    mount --bind '${canary}' '${ours[2]}'
    mount -t tmpfs tmpfs '${ours[3]}'
    mount --bind '${canary}/deep' '${ours[3]}' 
    ip link add br-${'f'.repeat(12)} type bridge
    ip link set br-${'f'.repeat(12)} group ${group}
    nft add element inet ${table} publish4 '{ 0.0.0.0 . tcp . 8089 : 172.17.0.77 . 80 }'
    mkdir -p '${groups}/${engine.engineId}/${STRAY}'
  `);
  const sleeper = spawn('sleep', ['1000'], { stdio: 'ignore' });
  writeFileSync(`${groups}/${engine.engineId}/${STRAY}/cgroup.procs`, String(sleeper.pid));
  const slept = once(sleeper, 'exit');

  // Others'.
  const theirs = [
    `${engine.run}2/c/x`,
    `${engine.root}/volumes/disk`,
    `${engine.folder}/elsewhere/c/x`,
  ];
  for (const place of theirs) mkdirSync(place, { recursive: true });
  sh(`
    ${theirs.map((place) => `mount --bind '${canary}' '${place}'`).join('\n')}
    mkdir -p '${groups}/${OTHER_ENGINE}/${STRAY}'
    ip link add br-${'e'.repeat(12)} type bridge
    ip link set br-${'e'.repeat(12)} group ${group + 1}
    nft add table inet carve-${OTHER_ENGINE.slice(0, 12)}
    nft add set inet carve-${OTHER_ENGINE.slice(0, 12)} publish4 '{ type ipv4_addr; elements = { 192.0.2.7 }; }'
  `);
  try {
    await engine.start();
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8');
    for (const place of ours)
      assert.ok(!mounted.includes(` ${place.replace(' ', String.raw`\040`)} `), place);
    for (const place of theirs) assert.ok(mounted.includes(` ${place} `), place);
    assert.equal(readFileSync(join(canary, 'deep/file'), 'utf8'), 'kept');
    await slept;
    await until('its process is gone', () => isGone(pids.lost));
    assert.ok(!existsSync(`${groups}/${engine.engineId}/${STRAY}`));
    assert.ok(existsSync(`${groups}/${OTHER_ENGINE}/${STRAY}`));
    const links = sh('ip -br link');
    assert.doesNotMatch(links, /br-f{12}/);
    assert.match(links, /br-e{12}/);
    const rules = sh('nft list ruleset');
    assert.doesNotMatch(rules, /172\.17\.0\.77/);
    for (const port of [8081, 8082, 8089]) {
      assert.doesNotMatch(rules, new RegExp(`tcp \\. ${port} :`));
      assert.ok(await isFree(port), String(port));
    }
    assert.match(rules, /0\.0\.0\.0 \. tcp \. 8080 :/);
    assert.match(rules, /192\.0\.2\.7/);
    assert.ok(!(await isFree(8080)));
    assert.deepEqual(engine.leftovers().toSorted(), [
      ...[dead, kept].map((id) => `root/containers/${id}`).toSorted(),
      ...[dead, kept].map((id) => `root/snapshots/snapshots/${id}+1`).toSorted(),
      ...[dead, kept].map((id) => `run/c/${id}`).toSorted(),
    ]);
    assert.match(told(engine.log, 'detached what was mounted'), / mounts=5 /);
    assert.match(told(engine.log, 'removed links of an earlier engine'), / count=1 /);
    // Of the lost one, whose process was there until then, of the one that died, and the planted one.
    assert.match(told(engine.log, 'took back published ports'), / count=3\b/);
    // Of the one that nobody knows, of the one that died, and the planted one.
    const swept = told(engine.log, 'removed what an earlier engine left');
    assert.match(swept, / controlGroups=3 directories=2 snapshots=1 runDirectories=2 /);
    // Nobody is left on a network: nothing of the firewall stays, and no port is led anywhere.
    const last = (await engine.state(kept)).Pid;
    await engine.end('SIGKILL');
    const from = engine.log.length;
    for (const pid of [parentOf(last), last]) process.kill(pid, 'SIGKILL');
    await until('it is gone', () => isGone(last));
    assert.match(sh('nft list ruleset'), /tcp \. 8080 :/);
    await engine.start();
    assert.doesNotMatch(sh('nft list tables'), new RegExp(`carve-${engine.engineId.slice(0, 12)}`));
    assert.match(told(engine.log.slice(from), 'took back published ports'), / count=\d/);
    assert.ok(await isFree(8080));
    // And the next start is as any.
    await engine.startContainer(dead);
    assert.match(sh('nft list ruleset'), /tcp \. 8082 :/);
  } finally {
    sh(`
      ${theirs.map((place) => `umount '${place}' || true`).join('\n')}
      rmdir '${groups}/${OTHER_ENGINE}/${STRAY}' '${groups}/${OTHER_ENGINE}' || true
      ip link del br-${'e'.repeat(12)} || true
      nft delete table inet carve-${OTHER_ENGINE.slice(0, 12)} || true
    `);
  }
});
