/** Corners where an engine is easily wrong, seen by users of both command lines: carve's and docker's. Needs root. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startOnTerminal, type TerminalProgram } from '../cli/terminal-program.ts';
import { dockerPath, type Outcome, run, runtimes, Target } from './target.ts';

const entry = fileURLToPath(new URL('../cli/carve-entry.ts', import.meta.url));
const carveWords = [runtimes.bun, entry];
const onceOffline = split('run --rm --network none');

function split(text: string): readonly string[] {
  return text.split(' ');
}

/** One command line over the engine of `targetOf`. */
interface CommandLine {
  readonly name: string;
  readonly words: () => readonly string[];
}

const commandLines: readonly CommandLine[] = [
  { name: 'carve', words: () => carveWords },
  { name: 'docker', words: () => [dockerPath()] },
];

let target: Target;
before(async () => {
  target = await Target.start('bun', 'serve-engine.ts');
});
after(async () => {
  await target[Symbol.asyncDispose]();
});

function env(): Readonly<Record<string, string>> {
  return { ...target.env, CARVE_HOST: `unix://${target.socket}` };
}

function call(line: CommandLine, args: readonly string[], input?: string): Promise<Outcome> {
  const words = [...line.words(), ...args];
  return run(words, { env: env(), ...(input === undefined ? {} : { input }) });
}

function onTerminal(line: CommandLine, args: readonly string[]): TerminalProgram {
  return startOnTerminal([...line.words(), ...args], env());
}

for (const line of commandLines) {
  describe(`with ${line.name}`, () => {
    /** Runs `body` beside a container of this name that sleeps. */
    async function beside(
      name: string,
      flags: readonly string[],
      body: () => Promise<void>,
    ): Promise<void> {
      const started = await call(line, [
        ...split(`run -d --name ${name} --network none`),
        ...flags,
        ...split('busybox sleep 1000'),
      ]);
      assert.equal(started.code, 0, started.stderr);
      try {
        await body();
      } finally {
        await call(line, ['rm', '-f', name]);
      }
    }

    test('a container on the network of another goes by its name, never by the host’s', async () => {
      await beside('owner', ['--hostname', 'web1'], async () => {
        const script = 'hostname; cat /etc/hostname';
        const { stdout } = await call(line, [
          ...split('run --rm --network container:owner busybox sh -c'),
          script,
        ]);
        assert.equal(stdout, 'web1\nweb1\n');
      });
    });

    test('an exec as nobody known says so and ends with 126', async () => {
      await beside('plain', [], async () => {
        const outcome = await call(line, ['exec', '-u', 'ghost', 'plain', 'id']);
        assert.equal(outcome.code, 126);
        assert.match(
          outcome.stdout + outcome.stderr,
          /^unable to find user ghost: no matching entries in passwd file\r?\n$/,
        );
      });
    });

    test('a process namespace of nobody is the namespace’s fault, not the image’s', async () => {
      const { code, stderr } = await call(line, [
        ...onceOffline,
        ...split('--pid container:ghost busybox true'),
      ]);
      assert.equal(code, 125);
      assert.match(stderr, /Error response from daemon: No such container: ghost/);
      assert.doesNotMatch(stderr, /Unable to find image/);
    });

    test('a privileged container reads its own input at /dev/stdin', async () => {
      const args = [...onceOffline, '--privileged', '-i', 'busybox', 'cat', '/dev/stdin'];
      const { code, stdout } = await call(line, args, 'typed\n');
      assert.deepEqual([code, stdout], [0, 'typed\n']);
    });

    test('the same volume twice is one', async () => {
      const mount = ['-v', '/tmp:/host:ro'];
      const args = [...onceOffline, ...mount, ...mount, 'busybox', 'true'];
      assert.deepEqual(await call(line, args), { code: 0, stdout: '', stderr: '' });
    });

    test('a device that only a driver could give is refused', async () => {
      const { code, stderr } = await call(line, [
        ...onceOffline,
        ...split('--gpus all busybox true'),
      ]);
      assert.equal(code, 125);
      assert.match(stderr, /could not select device driver "" with capabilities: \[\[gpu\]\]/);
    });

    test('start -ai of a container that runs already connects to it', async () => {
      const created = await call(line, [
        ...split('run -dit --name shell --network none busybox sh'),
      ]);
      assert.equal(created.code, 0, created.stderr);
      await using program = onTerminal(line, ['start', '-ai', 'shell']);
      program.send('echo here$((1+1))\n');
      await program.until(/here2/);
      program.send('exit 6\n');
      assert.deepEqual(await program.exited, { code: 6, mode: 'cooked' });
      await call(line, ['rm', 'shell']);
    });
  });
}

test('leaving an exec by the detach keys does not promise a way back to it', async () => {
  const carve: CommandLine = { name: 'carve', words: () => carveWords };
  await call(carve, ['run', '-d', '--name', 'left', '--network', 'none', 'busybox', 'sleep', '99']);
  await using program = onTerminal(carve, ['exec', '-it', 'left', 'sh']);
  await program.until(/# /);
  program.send('\x10\x11');
  assert.deepEqual(await program.exited, { code: 0, mode: 'cooked' });
  assert.match(program.output(), /Detached from the command, which keeps running in left\./);
  await call(carve, ['rm', '-f', 'left']);
});

test('the log of a container goes by the name of one that clients read', async () => {
  const [, docker] = commandLines;
  assert.ok(docker !== undefined);
  const name = 'named-log';
  await call(docker, split(`run --name ${name} --network none busybox true`));
  const asked = split(`inspect --format {{.HostConfig.LogConfig.Type}}={{.LogPath}} ${name}`);
  assert.equal((await call(docker, asked)).stdout, 'json-file=\n');
  await call(docker, split(`rm ${name}`));
});
