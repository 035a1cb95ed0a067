/**
 * A server for the tests of published ports, started in a container's network
 * namespace. Argument: a port. Over TCP it says the address it sees and a line
 * end, gives back what it is told, and after the end of that says `end`; over
 * UDP it answers with the address and what it was told. Says `ready` when it listens.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';

const port = Number(process.argv[2]);
const hasIpv6 = existsSync('/proc/self/net/if_inet6');
const short = (address = ''): string => address.replace(/^::ffff:/, '');

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => socket.destroy());
  socket.write(`${short(socket.remoteAddress)}\n`);
  socket.on('end', () => socket.end('end'));
  socket.pipe(socket, { end: false });
});
const datagrams = createSocket(hasIpv6 ? 'udp6' : 'udp4');
datagrams.on('message', (message, from) => {
  datagrams.send(`${short(from.address)} ${message.toString()}`, from.port, from.address);
});
datagrams.bind(port);
server.listen(port);
await Promise.all([once(server, 'listening'), once(datagrams, 'listening')]);
process.stdout.write('ready\n');
