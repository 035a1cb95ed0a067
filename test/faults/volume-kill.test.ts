/** A daemon killed, or a step failing, anywhere in a volume's life: volumes are whole or not there, and nothing else is. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { runChild } from '../../scripts/child.ts';
import { EngineError } from '../../src/base/error.ts';
import { EngineFixture } from '../kernel/engine-fixture.ts';
import { FALLIBLE_VOLUME_SITES, VOLUME_SITES } from './sites.ts';
import { liveVolumes, VOLUME_STEPS, type VolumeStep } from './volume-scenario.ts';

/** What each volume holds when it is whole. */
const WHOLE: Readonly<Record<string, readonly string[]>> = {
  plain: ['app'],
  seeded: ['a', 'link', 'sub'],
  clone: ['a', 'link', 'sub'],
  import: ['a', 'link', 'sub'],
  renamed: ['a', 'link', 'sub'],
};

/** Volumes are whole; `plain` may be empty until it was filled. */
async function checkWhole(fixture: EngineFixture, last: VolumeStep | undefined): Promise<void> {
  const names = (await fixture.engine.volumes.list({})).map(({ Name }) => Name);
  const root = `${fixture.directory}/root/volumes`;
  for (const name of names) {
    assert.deepEqual(readdirSync(`${root}/${name}`), ['_data'], name);
    const found = readdirSync(`${root}/${name}/_data`).toSorted();
    if (name === 'plain' && found.length === 0) continue;
    assert.deepEqual(found, WHOLE[name], name);
  }
  const after = (step: VolumeStep): boolean =>
    last !== undefined && VOLUME_STEPS.indexOf(last) >= VOLUME_STEPS.indexOf(step);
  if (after('created')) assert.ok(names.includes('plain'), 'lost plain');
  if (after('filled')) assert.ok(names.includes('seeded'), 'lost seeded');
  if (after('imported')) assert.ok(names.includes('import'), 'lost import');
  if (after('cloned') && !after('renamed'))
    assert.notEqual(names.includes('clone'), names.includes('renamed'), 'one of both');
  if (last === 'renamed') assert.equal(names.includes('clone'), false);
  if (after('removed')) assert.equal(names.includes('renamed'), false);
}

/** Only volumes are left where volumes are. */
async function checkNothingLeft(fixture: EngineFixture): Promise<void> {
  const names = (await fixture.engine.volumes.list({})).map(({ Name }) => Name).toSorted();
  await fixture.close();
  assert.deepEqual(readdirSync(`${fixture.directory}/root/volumes`).toSorted(), names);
}

for (const site of VOLUME_SITES) {
  // The second pass of some is that of a copy, not of a container.
  for (const pass of site.startsWith('volume-stage') ? [1, 2] : [1]) {
    test(`killed at pass ${pass} of ${site}, volumes are whole and nothing else is left`, async () => {
      await using fixture = new EngineFixture();
      const program = join(import.meta.dirname, 'volume-victim.ts');
      const argv = [
        process.execPath,
        program,
        fixture.directory,
        fixture.engineId,
        site,
        String(pass),
      ];
      const { stdout } = await runChild(argv);
      const steps = stdout.split('\n').filter((line) => line !== '') as VolumeStep[];
      assert.equal(steps.includes('unharmed'), false, `${site} was not reached`);
      await fixture.open();
      await checkWhole(fixture, steps.at(-1));
      const all = await fixture.engine.containers.list({ all: true, size: false, filters: {} });
      for (const { Id } of all)
        await fixture.engine.containers.remove(Id, { force: true, volumes: true });
      await checkNothingLeft(fixture);
    });
  }
}

for (const site of FALLIBLE_VOLUME_SITES) {
  test(`an error at ${site} is told, and nothing is left`, async () => {
    await using fixture = new EngineFixture();
    let isArmed = true;
    const engine = await fixture.open({
      hit: (hit) => {
        if (!isArmed || hit !== site) return;
        isArmed = false;
        throw new EngineError('internal', `planted at ${site}`);
      },
    });
    let last: VolumeStep | undefined;
    const living = liveVolumes(engine, (step) => {
      last = step;
    });
    await assert.rejects(living, { message: `planted at ${site}` });
    await checkWhole(fixture, last);
    assert.deepEqual(await engine.containers.list({ all: true, size: false, filters: {} }), []);
    await checkNothingLeft(fixture);
  });
}
