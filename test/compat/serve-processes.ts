/** Program: the HTTP server over processes of the host, until its stdin ends. Prints `ready`. */

import { serve } from '../../src/http/serve.ts';
import { ProcessEngine } from '../fakes/process-engine.ts';

const [, , path = ''] = process.argv;
const processes = new ProcessEngine();
const server = await serve(processes.engine, {
  listen: { kind: 'unix', path },
  identity: { version: '0.1.0', gitCommit: 'abcdef0', buildTime: '', runtime: 'test' },
});
process.stdout.write('ready\n');
process.stdin.on('end', () => {
  void processes
    .close()
    .then(() => server.close())
    .then(() => process.exit(0));
});
process.stdin.resume();
