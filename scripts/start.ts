/**
 * `npm start` alone: the main job on real input. Makes a Debian image from the
 * distribution's own archive unless it is there, then runs a shell in it; with
 * no terminal, a script that shows what a container looks like from inside.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { ROOT, TOOLS } from './tools.ts';

const CARVE = [TOOLS.bun, join(ROOT, 'src', 'bin.ts')] as const;
const IMAGE = 'debian';

/** The release, the host name and the processes, with what the smallest Debian has. */
const SHOW = `
. /etc/os-release
echo "release:   $PRETTY_NAME"
echo "hostname:  $(hostname)"
echo "processes:"
for process in /proc/[0-9]*; do
  printf '%6s  %s\n' "\${process#/proc/}" "$(cat "$process/comm")"
done
`;

/** Runs carve on our own streams and answers with its exit code; 128 when a signal ended it. */
async function carve(...args: string[]): Promise<number> {
  const [program, entry] = CARVE;
  const child = spawn(program, [entry, ...args], { stdio: 'inherit' });
  // Ctrl-C in the terminal is for the container; carve decides what it means.
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  await once(child, 'exit');
  return child.exitCode ?? 128;
}

async function hasImage(): Promise<boolean> {
  const { code } = await runChild([...CARVE, 'image', 'inspect', IMAGE]);
  return code === 0;
}

async function main(): Promise<number> {
  if (!(await hasImage())) {
    const code = await carve('image', 'bootstrap', IMAGE);
    if (code !== 0) return code;
  }
  const isInteractive = process.stdin.isTTY && process.stdout.isTTY;
  if (isInteractive) return carve('run', '-it', '--rm', IMAGE, 'bash');
  return carve('run', '--rm', IMAGE, 'sh', '-c', SHOW);
}

process.exitCode = await main();
