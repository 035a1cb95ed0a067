/** Many requests at once on the same and on different containers, clients that vanish: one winner, no hang, nothing left. */

import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { type Answer, DaemonFixture, isGone, until } from './daemon-fixture.ts';

const WORKERS = 64;
const all = <T>(work: (index: number) => Promise<T>, length = WORKERS): Promise<T[]> =>
  Promise.all(Array.from({ length }, (_, index) => work(index)));

function count(answers: readonly Answer[]): Readonly<Record<number, number>> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

test('64 at once on one name: one creates, one removes, all answers are true', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const body = { Image: 'bb', Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'none' } };
    const made = await all(() => engine.api('POST', '/containers/create?name=same', body));
    assert.deepEqual(count(made), { 201: 1, 409: WORKERS - 1 });
    for (const { status, text } of made)
      if (status === 409) assert.match(text, /name \\"\/?same\\" is already in use/);
    const started = await all(() => engine.api('POST', '/containers/same/start'));
    assert.deepEqual(count(started), { 204: 1, 304: WORKERS - 1 });
    const stopped = await all(() => engine.api('POST', '/containers/same/stop?t=0'));
    assert.deepEqual(
      Object.keys(count(stopped)).filter((status) => !/^[23]04$/.test(status)),
      [],
    );
    assert.equal((await engine.state('same')).Status, 'exited');
    const removed = await all(() => engine.api('DELETE', '/containers/same?force=1'));
    assert.equal(count(removed)[204], 1);
    for (const { status, text } of removed) assert.ok([204, 404, 409].includes(status), text);
    assert.deepEqual(await engine.list(), []);
  });
  assert.deepEqual(leaks, []);
});

test('64 workers on four names, any operation in any order: never an unexpected answer, never a hang', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const body = { Image: 'bb', Cmd: ['sleep', '1000'], HostConfig: { NetworkMode: 'none' } };
    const operations: readonly ((name: string) => readonly [string, string, object?])[] = [
      (name) => ['POST', `/containers/create?name=${name}`, body],
      (name) => ['POST', `/containers/${name}/start`],
      (name) => ['POST', `/containers/${name}/stop?t=0`],
      (name) => ['POST', `/containers/${name}/restart?t=0`],
      (name) => ['POST', `/containers/${name}/kill`],
      (name) => ['POST', `/containers/${name}/pause`],
      (name) => ['POST', `/containers/${name}/unpause`],
      (name) => ['POST', `/containers/${name}/rename?name=${name}x`],
      (name) => ['DELETE', `/containers/${name}?force=1`],
      (name) => ['GET', `/containers/${name}/json`],
      (name) => ['GET', `/containers/${name}/stats?stream=0&one-shot=1`],
      (name) => ['GET', `/containers/${name}/top`],
    ];
    // The same sequence in every run.
    let seed = 20_240_607;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    const unexpected: string[] = [];
    await all(async () => {
      for (let step = 0; step < 12; step++) {
        const [method, path, content] = operations[random(operations.length)]?.(
          `n${random(4)}`,
        ) ?? ['GET', '/_ping'];
        const { status, text } = await engine.api(method, path, content);
        const isRenamed = path.includes('rename') && status === 400;
        if ((status >= 500 || status === 400) && !isRenamed)
          unexpected.push(`${method} ${path}: ${status} ${text}`);
      }
    });
    assert.deepEqual(unexpected, []);
    for (const { Id, State } of await engine.list()) {
      const { Pid, Status } = await engine.state(Id);
      assert.equal(Status, State);
      if (Pid !== 0) assert.ok(!isGone(Pid), 'says it runs, and does not');
    }
    await Promise.all(
      (await engine.list()).map(({ Id }) => engine.api('DELETE', `/containers/${Id}?force=1`)),
    );
    await until('directories are removed', () => engine.leftovers().length === 0);
  });
  assert.deepEqual(leaks, []);
});

test('rm -f while others exec, attach, follow the log, copy, wait: everybody gets an end', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    for (let round = 0; round < 3; round++) {
      const name = `victim${round}`;
      await engine.startContainer(
        await engine.create(name, ['sh', '-c', 'while :; do echo x; usleep 1000; done']),
      );
      const exec = await engine.api('POST', `/containers/${name}/exec`, {
        Cmd: ['sleep', '1000'],
        AttachStdout: true,
      });
      assert.equal(exec.status, 201, exec.text);
      const { Id } = exec.json as { readonly Id: string };
      const others = [
        engine.api('POST', `/exec/${Id}/start`, { Detach: false }),
        engine.api('GET', `/containers/${name}/logs?stdout=1&follow=1`),
        engine.api('POST', `/containers/${name}/wait`),
        engine.api('POST', `/containers/${name}/wait?condition=removed`),
        engine.api('GET', `/containers/${name}/stats`),
        engine.api('GET', `/containers/${name}/archive?path=/bin`),
        engine.api('POST', `/containers/${name}/attach?stream=1&stdout=1`),
        engine.api('POST', `/containers/${name}/restart?t=0`),
        engine.api('POST', `/containers/${name}/stop?t=5`),
      ];
      const begin = performance.now();
      const removal = engine.api('DELETE', `/containers/${name}?force=1`);
      const ends = await Promise.allSettled([...others, removal]);
      assert.ok(performance.now() - begin < 10_000);
      for (const end of ends) {
        if (end.status === 'fulfilled') {
          const { status, text } = end.value;
          assert.ok(status < 500 || status === 501, `${status} ${text}`);
        } else assert.doesNotMatch(String(end.reason), /no answer/);
      }
      assert.equal((await removal).status, 204);
    }
  });
  assert.deepEqual(leaks, []);
});

test('a container that ignores SIGTERM, and a paused one, are stopped and removed in time', async () => {
  await using engine = await DaemonFixture.open();
  const stubborn = await engine.create('stubborn', [
    'sh',
    '-c',
    'trap "" TERM; while :; do sleep 1; done',
  ]);
  await engine.startContainer(stubborn);
  assert.equal((await engine.api('POST', `/containers/${stubborn}/stop?t=1`)).status, 204);
  assert.equal((await engine.state(stubborn)).ExitCode, 137);
  await engine.startContainer(stubborn);
  assert.equal((await engine.api('POST', `/containers/${stubborn}/pause`)).status, 204);
  assert.equal((await engine.api('DELETE', `/containers/${stubborn}?force=1`)).status, 204);
});

test('clients that vanish in the middle of everything leave nothing open in the daemon', async () => {
  const leaks = await DaemonFixture.using(async (engine) => {
    const id = await engine.create('one', ['sh', '-c', 'while :; do echo x; usleep 1000; done'], {
      OpenStdin: true,
    });
    await engine.startContainer(id);
    const fds = (): readonly string[] =>
      readdirSync(`/proc/${engine.pid}/fd`).map((fd) => {
        try {
          return readlinkSync(`/proc/${engine.pid}/fd/${fd}`);
        } catch {
          return '';
        }
      });
    const execs = async (): Promise<string> => {
      const body = { Cmd: ['sh', '-c', 'yes'], AttachStdout: true, AttachStdin: true };
      return ((await engine.api('POST', `/containers/${id}/exec`, body)).json as { Id: string }).Id;
    };
    const json = '{"Detach":false,"Tty":false}';
    const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n';
    const heads = async (): Promise<readonly string[]> => [
      `POST /containers/${id}/attach?stream=1&stdout=1&stdin=1 HTTP/1.1\r\n${upgrade}\r\n`,
      `GET /containers/${id}/logs?stdout=1&follow=1 HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /containers/${id}/stats HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /events HTTP/1.1\r\nHost: x\r\n\r\n`,
      `POST /containers/${id}/wait HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /containers/${id}/archive?path=/bin HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /images/bb/get HTTP/1.1\r\nHost: x\r\n\r\n`,
      `POST /exec/${await execs()}/start HTTP/1.1\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${json.length}\r\n\r\n${json}`,
      'POST /images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf an archive',
      'POST /images/create?fromSrc=-&repo=half HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nhalf',
    ];
    const oneRound = async (): Promise<void> => {
      for (const head of await heads()) {
        const socket = await engine.raw(head);
        // Half of them after the first bytes of an answer.
        if (/logs|stats|get|exec|attach/.test(head)) {
          await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
        }
        socket.destroy();
      }
    };
    await oneRound();
    await until('the first round is over', () => fds().length < 60);
    await new Promise((resolve) => setImmediate(resolve));
    const before = fds().length;
    for (let round = 0; round < 10; round++) await oneRound();
    // What was kept for the next request may differ; ten rounds of ten clients may not.
    await until('descriptors are as before', () => fds().length <= before + 5, 6000);
    assert.equal((await engine.state(id)).Running, true);
    const images = (await engine.api('GET', '/images/json')).json as readonly unknown[];
    assert.equal(images.length, 1);
    await until('half an upload is gone', () =>
      engine.leftovers().every((name) => !name.startsWith('root/ingest')),
    );
  });
  assert.deepEqual(leaks, []);
});
