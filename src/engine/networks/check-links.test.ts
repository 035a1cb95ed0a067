import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../../base/error.ts';
import { openRig } from '../../../test/fakes/opened-engine.ts';
import { parseLink } from './check-links.ts';

test('a link is a container and what it is called', () => {
  assert.deepEqual(parseLink('db'), { container: 'db', alias: 'db' });
  assert.deepEqual(parseLink('db:database'), { container: 'db', alias: 'database' });
  assert.deepEqual(parseLink('/db:/web/database'), { container: 'db', alias: 'database' });
  for (const text of ['', ':', 'a:', ':b', 'a:b:c', 'a b', 'a:b c', 'a:/x/y/z', 'a\n', '//a']) {
    assert.throws(() => parseLink(text), /links/, JSON.stringify(text));
  }
});

test('who is linked to must be there and have a network of its own', async () => {
  await using rig = await openRig();
  await rig.create({}, {}, 'db');
  await rig.create({}, { NetworkMode: 'host' }, 'hosted');
  await rig.engine.networks.create({ Name: 'lan' });
  await rig.create({}, { NetworkMode: 'none', Links: ['db:database'] });
  // Names resolve on a network of the user's: Docker looks at none of it.
  await rig.create({}, { NetworkMode: 'lan', Links: ['nobody'] });
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [['nobody:x'], /^could not get container for nobody: No such container: nobody$/],
    [['db', 'hosted'], /host type networking can't be used with links/],
    [['db:a:b'], /^bad format for links: db:a:b$/],
  ];
  for (const [Links, message] of rows) {
    await assert.rejects(
      rig.create({}, { NetworkMode: 'none', Links }),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
  }
});
