/**
 * The executable: `carve daemon` is the engine, everything else the command
 * line. Each half is loaded only when it is used: a command's own time is
 * mostly the time its modules take to load.
 */

import type { ChiselSource } from './kernel/chisel-file.ts';

/** Runs one command line and sets the process' exit code. `chisel`: where its program is. */
export async function main(argv: readonly string[], chisel: ChiselSource): Promise<void> {
  if (argv[0] === 'daemon') {
    const { runDaemon } = await import('./wiring.ts');
    process.exitCode = await runDaemon(argv.slice(1), chisel);
    return;
  }
  const [{ runCli }, { processIo }] = await Promise.all([
    import('./cli/main.ts'),
    import('./cli/process-io.ts'),
  ]);
  // Everything is written when it settles; a terminal or pipe that is still read must not keep the process.
  process.exit(await runCli(argv, processIo(selfWords(process.argv[1] ?? ''))));
}

/** The words that start carve again: a compiled program is its own runtime. */
function selfWords(script: string): readonly string[] {
  return script.startsWith('/$bunfs/') ? [process.execPath] : [process.execPath, script];
}

// Started from the sources; the entries that `scripts/build.ts` makes call `main` themselves.
if (process.argv[1]?.endsWith('/src/bin.ts') === true) {
  const path = process.argv[1].replace(/src\/bin\.ts$/, 'build/chisel');
  void main(process.argv.slice(2), { kind: 'file', path: process.env['CARVE_CHISEL'] ?? path });
}
