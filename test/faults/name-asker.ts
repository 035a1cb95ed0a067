/**
 * Program, started in a container's network namespace: asks its resolver for
 * many names at once, each once and never again. Arguments: how many by
 * datagrams, how many by connections. Says `udp N NAME ID ADDRESS` (`tcp …`)
 * for every answer and who got it, and ends when nobody waits.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { message, readMessage } from '../names/messages.ts';

const [datagrams = 0, connections = 0] = process.argv.slice(2).map(Number);
const SERVER = '127.0.0.11';
/** Questions of one socket. */
const EACH = 2;

function question(index: number): Buffer {
  return message({ id: 1000 + index, name: `n${index}.example.test` });
}

function say(kind: string, asker: number, bytes: Buffer): void {
  const { id, name, address } = readMessage(bytes);
  process.stdout.write(`${kind} ${asker} ${name} ${id} ${address}\n`);
}

async function askByDatagrams(asker: number): Promise<void> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  let waiting = EACH;
  const done = new Promise<void>((resolve) => {
    socket.on('message', (bytes) => {
      say('udp', asker, bytes);
      waiting -= 1;
      if (waiting === 0) resolve();
    });
  });
  for (let at = 0; at < EACH; at += 1) socket.send(question(EACH * asker + at), 53, SERVER);
  await done;
  socket.close();
}

async function askByConnection(asker: number): Promise<void> {
  const socket = connect(53, SERVER);
  const bytes = question(asker);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  socket.write(Buffer.concat([length, bytes]));
  let all = Buffer.alloc(0);
  for await (const chunk of socket) {
    all = Buffer.concat([all, chunk]);
    if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0)) break;
  }
  say('tcp', asker, all.subarray(2));
  socket.destroy();
}

await Promise.all([
  ...Array.from({ length: datagrams / EACH }, (_, asker) => askByDatagrams(asker)),
  ...Array.from({ length: connections }, (_, asker) => askByConnection(5000 + asker)),
]);
