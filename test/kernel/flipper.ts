/** A program that exchanges two names as fast as it can: the attacker of every race. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { join } from 'node:path';

const SOURCE = `#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
int main(int argc, char **argv) {
  if (argc < 3) return 1;
  puts("flipping");
  fflush(stdout);
  while (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) == 0) continue;
  return 1;
}
`;

/** Its path below `directory`. */
export function compileFlipper(directory: string): string {
  const program = join(directory, 'flipper');
  execFileSync('gcc', ['-x', 'c', '-O1', '-o', program, '-'], { input: SOURCE });
  return program;
}

/** One that has begun; kill it. */
export async function flip(program: string, one: string, two: string): Promise<ChildProcess> {
  const flipper = spawn(program, [one, two], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((resolve) => flipper.stdout.once('data', resolve));
  return flipper;
}
