/** I5 and I9: where credentials are kept, by whom they are given, and what a crash leaves of them. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ROOT, TOOLS } from '../../scripts/tools.ts';
import { isEngineError } from '../../src/base/error.ts';
import { readConfig } from '../../src/cli/config/config.ts';
import { changeConfig } from '../../src/cli/config/write-config.ts';
import { findAuth } from '../../src/cli/registry/auth.ts';

function tempFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'carve-config-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the file over and over, with as open a umask as there is. */
const WRITER = `
  process.umask(0);
  const { changeConfig } = await import(${JSON.stringify(join(ROOT, 'src/cli/config/write-config.ts'))});
  const path = process.argv[1];
  for (let i = 0; ; i++) {
    await changeConfig(path, () => ({ auths: { 'x.example': { auth: String(i).repeat(5000) } } }));
    if (i === 0) console.log('begun');
  }
`;

test('I9: a login that is killed leaves the credentials whole, for their owner alone', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'made/config.json');
  for (let round = 0; round < 6; round++) {
    const writer = spawn(TOOLS.bun, ['-e', WRITER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(writer.stdout, 'data');
    // Not at once: in the middle of some later write.
    for (let i = 0; i < round * 50; i++) await new Promise((resolve) => setImmediate(resolve));
    writer.kill('SIGKILL');
    await once(writer, 'close');
    const { auths } = JSON.parse(readFileSync(path, 'utf8')) as { readonly auths: object };
    assert.ok('x.example' in auths);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, 'made')).mode & 0o777, 0o700);
  }
});

test('I9: a link to another user’s file is not followed, an open file is closed to others', async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, 'config.json');
  writeFileSync(path, '{}');
  chmodSync(path, 0o666);
  await changeConfig(path, () => ({ auths: {} }));
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const foreign = join(folder, 'foreign.json');
  writeFileSync(foreign, '{"a":1}');
  chownSync(foreign, 65_534, 65_534);
  const link = join(folder, 'linked/config.json');
  mkdirSync(join(folder, 'linked'));
  symlinkSync(foreign, link);
  await assert.rejects(
    changeConfig(link, () => ({ auths: {} })),
    (error) =>
      isEngineError(error) && error.kind === 'denied' && /another user/.test(error.message),
  );
  assert.equal(readFileSync(foreign, 'utf8'), '{"a":1}');
});

test('I5: a credential helper that fails gives nobody’s credentials, and its words stay with it', async (t) => {
  const folder = tempFolder(t);
  mkdirSync(join(folder, 'bin'));
  const before = process.env['PATH'];
  process.env['PATH'] = `${join(folder, 'bin')}:${before ?? ''}`;
  t.after(() => (process.env['PATH'] = before));
  const secret = 'canary-secret-3b';
  const helpers: readonly (readonly [script: string, message: RegExp])[] = [
    ['exit 1', /docker-credential-bad failed: exit code 1/],
    ['echo broken; exit 2', /docker-credential-bad failed: broken/],
    [`echo 'no json ${secret}'`, /its answer has no credentials/],
    [`echo '{"Username":"${secret}"}'`, /its answer has no credentials/],
    ['kill -9 $$', /docker-credential-bad failed/],
  ];
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify({
      credsStore: 'bad',
      auths: { 'x.example': { auth: Buffer.from(`me:${secret}`).toString('base64') } },
    }),
  );
  for (const [script, message] of helpers) {
    const helper = join(folder, 'bin/docker-credential-bad');
    writeFileSync(helper, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await assert.rejects(findAuth(readConfig(folder), 'x.example'), (error) => {
      assert.ok(isEngineError(error), String(error));
      assert.match(error.message, message);
      assert.ok(!error.message.includes(secret), error.message);
      return true;
    });
  }
  const missing = { ...readConfig(folder), raw: { credsStore: '../../bin/sh' } };
  await assert.rejects(findAuth(missing, 'x.example'), /is not the name of a program/);
});
