import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeEngine } from './fake-engine.ts';

const entry = fileURLToPath(new URL('carve-entry.ts', import.meta.url));

/** Runs bash with carve's completion and asks it for each line; the answers, one line each. */
const script = `
source <(carve completion bash)
ask() {
  COMP_LINE=$1 COMP_POINT=\${#1}
  shift
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _carve
  echo "\${COMPREPLY[*]}"
}
ask 'carve ru' carve ru
ask 'carve run --pu' carve run --pu
ask 'carve run --pull=n' carve run --pull = n
ask 'carve run nginx:s' carve run nginx : s
ask 'carve container ' carve container ''
`;

test('the script for bash completes commands, flags, values and names with a colon', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'carve-completion-'));
  await using engine = await startFakeEngine({
    'GET /images/json': () => ({
      json: [{ RepoTags: ['nginx:stable', 'nginx:slim', 'debian:latest'] }],
    }),
  });
  const program = join(directory, 'carve');
  writeFileSync(program, `#!/bin/sh\nexec ${process.execPath} ${entry} "$@"\n`);
  chmodSync(program, 0o755);
  const output = await new Promise<string>((resolve, reject) => {
    const env = {
      ...process.env,
      PATH: `${directory}:${process.env['PATH'] ?? ''}`,
      CARVE_HOST: engine.host,
    };
    execFile('bash', ['--norc', '-c', script], { env }, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new Error('bash failed', { cause: error }));
    });
  });
  const answers = output.split('\n');
  assert.deepEqual(answers.slice(0, 4), [
    'run',
    '--publish --publish-all --pull',
    'never',
    'stable slim',
  ]);
  assert.match(answers[4] ?? '', /^attach commit cp create /);
  rmSync(directory, { recursive: true });
});

test('the script for bash is one bash accepts', () => {
  const text = execFileSync(process.execPath, [entry, 'completion', 'bash']);
  execFileSync('bash', ['-n'], { input: text });
});
