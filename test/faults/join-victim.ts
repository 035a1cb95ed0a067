/**
 * A process to be killed: opens an engine and connects and disconnects one
 * container, for ever. `join-victim.ts DIRECTORY ENGINE-ID CONTAINER`
 */

import { writeSync } from 'node:fs';
import { EngineFixture } from '../kernel/engine-fixture.ts';

const [directory = '', engineId = '', container = ''] = process.argv.slice(2);
const fixture = new EngineFixture({ directory, engineId });
const { networks } = await fixture.open();
// Where the last victim was killed.
for (const name of ['red', 'blue'])
  await networks.disconnect(name, { container, force: true }).catch(() => undefined);
writeSync(1, 'open\n');
for (;;) {
  for (const name of ['red', 'blue']) await networks.connect(name, { container, settings: {} });
  for (const name of ['blue', 'red']) await networks.disconnect(name, { container, force: false });
}
