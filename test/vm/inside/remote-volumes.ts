/**
 * What `remote-volumes.test.ts` runs in its machine, where an NFS export and an
 * SMB share are at 192.0.2.1, alias files.test, and nobody at 198.51.100.9. One
 * engine and few containers: each takes seconds there.
 */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HostConfig } from '../../../src/spec/docker/container.ts';
import { EngineFixture } from '../../kernel/engine-fixture.ts';

const fixture = new EngineFixture();
before(async () => void (await fixture.open()));
after(async () => fixture.dispose());

/** Makes a volume of the driver's options. */
async function volume(name: string, options: Readonly<Record<string, string>>): Promise<void> {
  await fixture.engine.volumes.create({ Name: name, DriverOpts: options });
}

/** Output of a shell line in a container, without a network unless one is named. */
async function sh(line: string, host: HostConfig): Promise<string> {
  const { code, stdout, stderr } = await fixture.run({ Cmd: ['sh', '-ec', line] }, host);
  assert.equal(code, 0, `${line}: ${stdout}${stderr}`);
  return stdout;
}

/** The sentence of a start that fails. */
async function refusal(name: string): Promise<string> {
  const id = await fixture.create({ Cmd: ['true'] }, { Binds: [`${name}:/v`] });
  try {
    await fixture.engine.containers.start(id);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  throw new Error(`the volume ${name} was mounted`);
}

test('NFS: whole, a part of it, read-only, by a name, and with type nfs', async () => {
  await volume('four', { type: 'nfs4', o: 'addr=192.0.2.1,vers=4.2', device: ':/' });
  await volume('named', { type: 'nfs', o: 'addr=files.test,rw,nfsvers=4', device: ':/sub' });
  const told = await sh(
    'cat /v/sub/file; echo new > /v/sub/new; cat /p/new /n/new; mount | grep -c nfs4; touch /n/x || true',
    {
      Binds: ['four:/v', 'named:/n:ro'],
      Mounts: [{ Type: 'volume', Source: 'four', Target: '/p', VolumeOptions: { Subpath: 'sub' } }],
    },
  );
  assert.equal(told, 'nfs\nnew\nnew\n3\n');
});

test('NFS on a bridge and in the network of another container, which keep their networks', async () => {
  await volume('data', { type: 'nfs4', o: 'addr=192.0.2.1', device: ':/sub' });
  const Binds = ['data:/v'];
  const first = await fixture.create({ Cmd: ['sleep', '300'] }, { NetworkMode: 'bridge', Binds });
  await fixture.engine.containers.start(first);
  const look = 'cat /v/file; ip -o address show eth0';
  const told = await sh(look, { NetworkMode: `container:${first}`, Binds });
  assert.match(told, /^nfs\n.* inet 172\.17\./);
  await fixture.engine.containers.remove(first, { force: true, volumes: false });
});

test('SMB: with the server as address and as name; a wrong password is told, and not which', async () => {
  const who = 'username=root,password=word,vers=3.1.1';
  const device = '//192.0.2.1/share';
  await volume('smb', { type: 'cifs', o: `addr=192.0.2.1,${who}`, device });
  await volume('smb-named', { type: 'cifs', o: who, device: '//files.test/share' });
  const Binds = ['smb:/v', 'smb-named:/n'];
  assert.equal(await sh('cat /v/file; echo new > /v/new; cat /n/new', { Binds }), 'smb\nnew\n');
  await volume('wrong', { type: 'cifs', o: 'username=root,password=secret', device });
  const told = await refusal('wrong');
  assert.match(told, /failed to mount "\/\/192\.0\.2\.1\/share" as cifs: permission denied/);
});

test('a server that is away: one sentence in bounded time, nothing left, and others are served', async () => {
  await volume('closed', { type: 'nfs4', o: 'addr=192.0.2.1,port=1', device: ':/' });
  const patience = 'soft,timeo=10,retrans=1';
  await volume('away', { type: 'nfs4', o: `addr=198.51.100.9,${patience}`, device: ':/' });
  await volume('unknown', { type: 'nfs4', o: 'addr=nobody.test', device: ':/' });
  const waiting = refusal('away');
  assert.match(await refusal('closed'), /failed to mount ":\/" as nfs4: connection refused/);
  assert.match(
    await refusal('unknown'),
    /^Cannot mount volume unknown: the address of its server nobody\.test is not known/,
  );
  assert.match(await waiting, /failed to mount ":\/" as nfs4: the server does not answer in time/);
  const running = await fixture.engine.containers.list({ all: false, size: false, filters: {} });
  assert.deepEqual(running, []);
});
