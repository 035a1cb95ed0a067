/** A process to be killed in the middle of a volume's life. `volume-victim.ts DIRECTORY ENGINE-ID SITE PASS` */

import { writeSync } from 'node:fs';
import { EngineFixture } from '../kernel/engine-fixture.ts';
import { liveVolumes } from './volume-scenario.ts';

const [directory = '', engineId = '', wanted = '', pass = '1'] = process.argv.slice(2);
let passes = 0;
const fixture = new EngineFixture({ directory, engineId });
await fixture.open({
  hit: (site) => {
    if (site !== wanted) return;
    passes += 1;
    if (passes === Number(pass)) process.kill(process.pid, 'SIGKILL');
  },
});
await liveVolumes(fixture.engine, (step) => writeSync(1, `${step}\n`));
await fixture.close();
writeSync(1, 'unharmed\n');
