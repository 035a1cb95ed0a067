/**
 * A process to be killed: opens an engine and runs the scenario, with one
 * failpoint armed. Writes what it acknowledged, one JSON line each.
 *
 * `victim.ts DIRECTORY ENGINE-ID SITE=[N*]ACTION`
 */

import { writeSync } from 'node:fs';
import { parseFailpoint } from '../../src/base/failpoint.ts';
import { EngineFixture } from '../kernel/engine-fixture.ts';
import { live } from './scenario.ts';

const [directory = '', engineId = '', text = ''] = process.argv.slice(2);
const rule = parseFailpoint(text);
let passes = 0;
const fixture = new EngineFixture({ directory, engineId });
await fixture.open({
  hit: (site) => {
    if (site !== rule?.site) return;
    passes += 1;
    if (passes === rule.pass) process.kill(process.pid, 'SIGKILL');
  },
});
await live(fixture.engine, (acknowledged) => writeSync(1, `${JSON.stringify(acknowledged)}\n`));
await fixture.close();
writeSync(1, '{"step":"unharmed","id":""}\n');
