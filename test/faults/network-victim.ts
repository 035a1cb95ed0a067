/** A process to be killed in the middle of a network's life. `network-victim.ts DIRECTORY SITE PASS` */

import { writeSync } from 'node:fs';
import { FileFabric } from '../fakes/fabric.ts';
import { Rig } from '../fakes/opened-engine.ts';
import { liveNetworks } from './network-scenario.ts';

const [directory = '', wanted = '', pass = '1'] = process.argv.slice(2);
let passes = 0;
const rig = new Rig(directory);
rig.fabric = new FileFabric(`${directory}/fabric`);
await rig.open({
  failpoints: {
    hit: (site) => {
      if (site !== wanted) return;
      passes += 1;
      if (passes === Number(pass)) process.kill(process.pid, 'SIGKILL');
    },
  },
});
await liveNetworks(rig.engine, (step) => writeSync(1, `${step}\n`));
await rig.close();
writeSync(1, 'unharmed\n');
