/**
 * A client of one UDP flow for the tests of published ports, started in a
 * network namespace. Arguments: its own port, the address and port it asks.
 * For each line on stdin it asks once, and says the answer, `refused`, or
 * `silence` after a second and a half.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const [own = '', address = '', port = ''] = process.argv.slice(2);
const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
socket.bind(Number(own));
await once(socket, 'listening');
socket.connect(Number(port), address);
await once(socket, 'connect');
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const heard = Promise.withResolvers<string>();
  const take = (message: Buffer): void => heard.resolve(message.toString());
  const fail = (): void => heard.resolve('refused');
  const timer = setTimeout(() => heard.resolve('silence'), 1_500);
  socket.once('message', take).once('error', fail);
  socket.send(line);
  const said = await heard.promise;
  socket.off('message', take).off('error', fail);
  clearTimeout(timer);
  process.stdout.write(`${said}\n`);
}
socket.close();
