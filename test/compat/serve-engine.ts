/** Program: the HTTP server over a real engine with a busybox image, until its stdin ends. Prints `ready`. */

import { serve } from '../../src/http/serve.ts';
import { EngineFixture } from '../kernel/engine-fixture.ts';

const [, , path = ''] = process.argv;
const fixture = new EngineFixture();
const engine = await fixture.open();
const server = await serve(engine, {
  listen: { kind: 'unix', path },
  identity: { version: '0.1.0', gitCommit: 'abcdef0', buildTime: '', runtime: 'test' },
});
process.stdout.write('ready\n');
process.stdin.on('end', () => {
  void server
    .close()
    .then(() => fixture.dispose())
    .then(() => process.exit(0));
});
process.stdin.resume();
