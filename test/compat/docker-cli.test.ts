/** The real docker CLI against the HTTP server, over processes of the host, under both runtimes. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Outcome, Target, runtimes } from './target.ts';

/** Short enough to be read in a failure. */
function shown(outcome: Outcome): Outcome {
  const cut = (text: string): string => (text.length > 1000 ? `${text.slice(0, 1000)}…` : text);
  return { ...outcome, stdout: cut(outcome.stdout), stderr: cut(outcome.stderr) };
}

for (const runtime of Object.keys(runtimes) as (keyof typeof runtimes)[]) {
  describe(`docker CLI, server on ${runtime}`, () => {
    let target: Target;
    before(async () => {
      target = await Target.start(runtime);
    });
    after(async () => {
      await target[Symbol.asyncDispose]();
    });

    /** Runs `docker` and checks what it did. */
    async function docker(
      args: readonly string[],
      expected: Partial<Outcome>,
      input?: string,
    ): Promise<Outcome> {
      const outcome = await target.docker(args, input);
      assert.deepEqual(
        shown(outcome),
        shown({ ...outcome, ...expected }),
        `docker ${args.join(' ')}: ${JSON.stringify(shown(outcome))}`,
      );
      return outcome;
    }

    test('version and info show the server', async () => {
      await docker(
        [
          'version',
          '--format',
          '{{.Server.APIVersion}} {{.Server.MinAPIVersion}} {{.Server.Os}}/{{.Server.Arch}}',
        ],
        { code: 0, stdout: '1.51 1.24 linux/amd64\n' },
      );
      await docker(['info', '--format', '{{.ServerVersion}} {{.Swarm.LocalNodeState}}'], {
        code: 0,
        stdout: '0.1.0 inactive\n',
      });
    });

    test('run passes output of both streams and the exit code', async () => {
      await docker(['run', '--rm', 'bb', 'sh', '-c', 'echo out; echo err >&2; exit 3'], {
        code: 3,
        stdout: 'out\n',
        stderr: 'err\n',
      });
    });

    test('run -i passes stdin with its end, before and while the program runs', async () => {
      await docker(
        ['run', '--rm', '-i', 'bb', 'cat'],
        { code: 0, stdout: 'typed', stderr: '' },
        'typed',
      );
      const big = 'x'.repeat(3_000_000);
      const outcome = await target.docker(['run', '--rm', '-i', 'bb', 'cat'], big);
      assert.equal(outcome.code, 0);
      assert.equal(outcome.stdout.length, big.length);
    });

    test('run carries much output without loss', async () => {
      const outcome = await target.docker(['run', '--rm', 'bb', 'sh', '-c', 'seq 1 200000']);
      assert.equal(outcome.code, 0);
      assert.ok(outcome.stdout.endsWith('\n199999\n200000\n'));
      assert.equal(outcome.stdout.split('\n').length, 200_001);
    });

    test('run ends with 127 for a missing program, 125 for a missing image', async () => {
      const missing = await docker(['run', '--rm', 'bb', 'nope'], { code: 127, stdout: '' });
      assert.match(missing.stderr, /executable file not found in \$PATH/);
      const image = await docker(['run', '--rm', 'missing', 'true'], { code: 125, stdout: '' });
      assert.match(
        image.stderr,
        /Unable to find image 'missing:latest' locally[\s\S]*manifest unknown/,
      );
    });

    test('exec passes streams and exit codes, a hundred times', async () => {
      await docker(['run', '-d', '--name', 'web', 'bb', 'sleep', '1000'], { code: 0 });
      for (let index = 0; index < 100; index += 10) {
        const codes = await Promise.all(
          Array.from({ length: 10 }, async (_, offset) => {
            const wanted = (index + offset) % 100;
            const { code, stdout } = await target.docker([
              'exec',
              'web',
              'sh',
              '-c',
              `echo ${wanted}; exit ${wanted}`,
            ]);
            return [wanted, code, stdout];
          }),
        );
        for (const [wanted, code, stdout] of codes)
          assert.deepEqual([code, stdout], [wanted, `${wanted}\n`]);
      }
      await docker(['exec', '-i', 'web', 'cat'], { code: 0, stdout: 'x' }, 'x');
      const missing = await docker(['exec', 'web', 'nope'], { code: 127 });
      assert.match(missing.stdout, /executable file not found/);
      await docker(['exec', '-d', 'web', 'true'], { code: 0, stdout: '' });
      await docker(['exec', 'nobody', 'true'], {
        code: 1,
        stderr: 'Error response from daemon: No such container: nobody\n',
      });
    });

    test('ps, inspect, rename, logs, stats, top, wait, kill and rm work on one container', async () => {
      await docker(['ps', '--format', '{{.Names}} {{.State}}'], {
        code: 0,
        stdout: 'web running\n',
      });
      await docker(['ps', '-q', '--filter', 'name=nothing'], { code: 0, stdout: '' });
      await docker(
        [
          'inspect',
          '--format',
          '{{.Name}} {{.State.Running}} {{.NetworkSettings.IPAddress}}',
          'web',
        ],
        { code: 0, stdout: '/web true 172.17.0.2\n' },
      );
      await docker(['rename', 'web', 'site'], { code: 0 });
      await docker(
        ['stats', '--no-stream', '--format', '{{.Name}} {{.MemUsage}} {{.PIDs}}', 'site'],
        { code: 0, stdout: 'site 1MiB / 2MiB 1\n' },
      );
      assert.match((await docker(['top', 'site'], { code: 0 })).stdout, /PID\s+CMD/);
      await docker(['rm', 'site'], { code: 1 });
      const waiting = target.docker(['wait', 'site']);
      await docker(['kill', '-s', 'TERM', 'site'], { code: 0, stdout: 'site\n' });
      assert.equal((await waiting).stdout, '143\n');
      await docker(['rm', 'site'], { code: 0, stdout: 'site\n' });
      await docker(['container', 'inspect', 'site'], { code: 1 });
    });

    test('logs -f follow to the end, and events tell the story', async () => {
      const since = String(Math.floor(Date.now() / 1000) - 1);
      await docker(
        [
          'run',
          '-d',
          '--name',
          'talk',
          'bb',
          'sh',
          '-c',
          'echo one; read x < /dev/null; echo two >&2',
        ],
        { code: 0 },
      );
      await docker(['logs', '-f', 'talk'], { code: 0, stdout: 'one\n', stderr: 'two\n' });
      await docker(['rm', 'talk'], { code: 0 });
      const events = await target.docker([
        'events',
        '--since',
        since,
        // To the nanosecond: `0s` is the whole second before.
        '--until',
        (Date.now() / 1000 + 0.001).toFixed(9),
        '--format',
        '{{.Action}} {{.Actor.Attributes.name}}',
      ]);
      const talk = events.stdout.split('\n').filter((line) => line.endsWith(' talk'));
      assert.deepEqual(talk, ['create talk', 'start talk', 'die talk', 'destroy talk']);
    });

    test('attach gets what comes after it and the exit code', async () => {
      await docker(
        [
          'run',
          '-d',
          '-i',
          '--name',
          'loop',
          'bb',
          'sh',
          '-c',
          'read line; echo got $line; exit 4',
        ],
        { code: 0 },
      );
      await docker(['attach', 'loop'], { code: 4, stdout: 'got me\n' }, 'me\n');
      await docker(['rm', 'loop'], { code: 0 });
    });

    test('load, import, save and cp move archives', async () => {
      const big = 'y'.repeat(2_000_000);
      await docker(['load'], { code: 0, stdout: 'Loaded image: 2000000:latest\n' }, big);
      assert.match(
        (await docker(['import', '-', 'bb:2'], { code: 0 }, big)).stdout,
        /^bb:2 Loaded image: 2000000/,
      );
      assert.ok((await docker(['save', 'bb'], { code: 0 })).stdout.startsWith('hostname\0'));
      await docker(['run', '-d', '--name', 'files', 'bb', 'sleep', '1000'], { code: 0 });
      assert.ok(
        (await docker(['cp', 'files:/etc/hostname', '-'], { code: 0 })).stdout.startsWith(
          'etc/hostname\0',
        ),
      );
      assert.match(
        (await docker(['cp', 'files:/nowhere', '-'], { code: 1 })).stderr,
        /Could not find the file \/nowhere/,
      );
      await docker(['rm', '-f', 'files'], { code: 0 });
    });

    test('what does not exist is said in one sentence', async () => {
      const rows: [readonly string[], RegExp][] = [
        [['swarm', 'leave'], /not part of a swarm/],
        [['node', 'ls'], /not a swarm manager/],
      ];
      for (const [args, text] of rows) assert.match((await docker(args, { code: 1 })).stderr, text);
      await docker(['plugin', 'ls', '-q'], { code: 0, stdout: '' });
    });
  });
}
