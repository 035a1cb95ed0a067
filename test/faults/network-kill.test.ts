/** A daemon killed anywhere in a network's life: what was acknowledged is there, and nothing is in the kernel that nobody knows of. */

import assert from 'node:assert/strict';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { FileFabric } from '../fakes/fabric.ts';
import { Rig } from '../fakes/opened-engine.ts';
import { NETWORK_STEPS, type NetworkStep } from './network-scenario.ts';
import { NETWORK_SITES } from './sites.ts';

/** Networks and the container are as the last acknowledged step left them, or as the next one would. */
async function checkTruth(rig: Rig, last: NetworkStep | undefined): Promise<void> {
  const names = (await rig.engine.networks.list({ type: ['custom'] })).map(({ Name }) => Name);
  const after = (step: NetworkStep): boolean =>
    last !== undefined && NETWORK_STEPS.indexOf(last) >= NETWORK_STEPS.indexOf(step);
  if (after('created') && !after('disconnected')) assert.ok(names.includes('front'));
  if (after('connected')) assert.ok(names.includes('back'));
  if (after('removed')) assert.equal(names.includes('front'), false);
  if (!after('placed')) return;
  const { NetworkSettings } = await rig.engine.containers.inspect('web');
  const on = Object.keys(NetworkSettings.Networks).toSorted().join(' ');
  const possible: Readonly<Record<NetworkStep, readonly string[]>> = {
    created: [],
    placed: ['front', 'back front'],
    connected: ['back front', 'back'],
    disconnected: ['back'],
    removed: ['back'],
  };
  assert.ok(last !== undefined && possible[last].includes(on), `${last} but on ${on}`);
}

for (const site of NETWORK_SITES) {
  // `back` is made while `front` has a container.
  for (const pass of site.startsWith('network-create') ? [1, 2] : [1]) {
    test(`killed at pass ${pass} of ${site}, networks are whole or gone`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'carve-network-kill-'));
      await using rig = new Rig(directory);
      const victim = join(import.meta.dirname, 'network-victim.ts');
      const { stdout } = await runChild([process.execPath, victim, directory, site, String(pass)]);
      const steps = stdout.split('\n').filter((line) => line !== '') as NetworkStep[];
      assert.equal(stdout.includes('unharmed'), false, `${site} was not reached`);
      const fabric = new FileFabric(`${directory}/fabric`);
      rig.fabric = fabric;
      await rig.open();
      await checkTruth(rig, steps.at(-1));
      const known = (await rig.engine.networks.list({ type: ['custom'] })).map(({ Id }) => Id);
      assert.deepEqual(
        fabric.ids.filter((id) => !known.includes(id)),
        [],
        'made, and nobody knows',
      );
      const again = await rig.engine.networks.create({ Name: 'again' });
      assert.ok(fabric.ids.includes(again.Id));
      await rig.engine.containers.remove('web').catch(() => undefined);
      for (const id of [...known, again.Id]) await rig.engine.networks.remove(id);
      assert.deepEqual(fabric.ids, []);
    });
  }
}
