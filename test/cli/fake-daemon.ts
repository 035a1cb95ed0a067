/** Program: a daemon that starts slowly, refuses to run twice in one directory, and lists no containers. */

import { appendFileSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const [, , directory = '', mode = ''] = process.argv;
appendFileSync(join(directory, 'pids'), `${String(process.pid)}\n`);
if (mode === 'broken') {
  process.stderr.write('starting\nCannot open the state: disk full\n');
  process.exit(3);
}
try {
  mkdirSync(join(directory, 'lock'));
} catch {
  process.stderr.write('Another daemon runs here\n');
  process.exit(1);
}
await delay(150);
createServer((_request, response) => {
  response.writeHead(200, { 'Api-Version': '1.51', 'Content-Type': 'application/json' });
  response.end('[]');
}).listen(join(directory, 'engine.sock'));
