/**
 * A name server in a process of its own, for tests that kill it: as the engine
 * has one. Arguments: run directory, address of `web`, port of the host's
 * server, `internal` or `outside`. Says `ready` when it listens.
 */

import { parseAddress } from '../../src/spec/cidr.ts';
import { NameDirectory } from '../../src/network/dns/directory.ts';
import { Forwarder } from '../../src/network/dns/forward.ts';
import { NameServer } from '../../src/network/dns/server.ts';

const [directoryPath = '', address = '', port = '', reach = ''] = process.argv.slice(2);
const directory = new NameDirectory();
const nowMs = (): number => performance.now();

directory.setClient('c1', {
  networks: [{ networkId: 'n1', isInternal: reach === 'internal' }],
  servers: [],
});
directory.join({
  networkId: 'n1',
  networkName: 'front',
  containerId: 'f'.repeat(64),
  addresses: [parseAddress(address)],
  names: ['web'],
});
await NameServer.listen({
  directory,
  directoryPath,
  nowMs,
  forwarder: new Forwarder(nowMs),
  hostUpstreams: () => [{ address: '127.0.0.1', port: Number(port) }],
});
process.stdout.write('ready\n');
