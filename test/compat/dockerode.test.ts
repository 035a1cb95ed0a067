/** dockerode on Node.js against the HTTP server, over processes of the host, under both runtimes. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Target, run, runtimes } from './target.ts';

const folder = fileURLToPath(new URL('.', import.meta.url));

const expected = {
  ping: 'OK',
  version: '1.51',
  runs: { all: 'hi\n', status: { StatusCode: 3 } },
  attachesWithHijack: { stdout: 'typed', StatusCode: 0 },
  execsWithHijack: { stdout: 'in', stderr: 'e\n', ExitCode: 5, Running: false },
  execsWithoutUpgrade: 'got line\n',
  execsWithoutInput: 'plain\n',
  followsLogs: 'l\n',
  listsWithFilters: ['/listed'],
  stopsTwice: 304,
  seesErrors: [404, 'No such container: nobody'],
  followsPulls: 'manifest for missing:latest not found: manifest unknown',
  getsEvents: ['create', 'create', true],
  getsStats: 1_048_576,
  putsAndGetsArchives: true,
  makesManyAtOnce: 20,
  givesANameOnce: [201, 409, 409, 409, 409],
};

for (const runtime of Object.keys(runtimes) as (keyof typeof runtimes)[]) {
  test(`dockerode works against a server on ${runtime}`, async () => {
    await using target = await Target.start(runtime);
    const outcome = await run([runtimes.node, join(folder, 'clients/dockerode.mjs')], {
      env: { DOCKER_SOCKET: target.socket },
    });
    assert.equal(outcome.code, 0, outcome.stderr);
    const seen: unknown = JSON.parse(outcome.stdout);
    assert.deepEqual(seen, expected);
  });
}
