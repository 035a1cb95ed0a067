import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolveAddresses } from './addresses.ts';
import { parseDriverOptions } from './driver-options.ts';

test('options of the driver: nothing, a size, a bind, a file system', () => {
  assert.deepEqual(parseDriverOptions({}), { mount: undefined, sizeBytes: undefined });
  for (const [text, bytes] of [
    ['4096', 4096],
    ['1k', 1024],
    ['10m', 10 * 2 ** 20],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['2tb', 2 * 2 ** 40],
  ] as const)
    assert.equal(parseDriverOptions({ size: text }).sizeBytes, bytes, text);
  assert.deepEqual(parseDriverOptions({ type: 'none', device: '/srv', o: 'rbind,ro' }).mount, {
    type: 'bind',
    device: '/srv',
    options: ['ro'],
    isRecursive: true,
  });
  const nfs = { type: 'nfs', device: ':/srv', o: 'addr=10.0.0.1,rw,vers=4' };
  assert.deepEqual(parseDriverOptions(nfs).mount, {
    type: 'nfs',
    device: ':/srv',
    options: ['addr=10.0.0.1', 'rw', 'vers=4'],
    isRecursive: false,
  });
});

test('options of the driver: what is wrong is refused', () => {
  const rows: [Record<string, string>, RegExp][] = [
    [{ Type: 'tmpfs' }, /invalid option: "Type"/],
    [{ __proto__x: 'y' }, /invalid option/],
    [{ type: 'tmpfs' }, /missing required option: "device"/],
    [{ device: 'tmpfs' }, /missing required option: "type"/],
    [{ o: 'ro', type: 'tmpfs' }, /missing required option: "device"/],
    [{ type: 'tmpfs', device: '' }, /missing device in volume options/],
    [{ type: '../x', device: 'a' }, /unknown file system/],
    [{ type: 'none', device: 'relative', o: 'bind' }, /absolute path/],
    [{ type: 'tmpfs', device: 'a\0b' }, /control character/],
    [{ type: 'tmpfs', device: 'x', size: '1m' }, /give the size of a mounted file system in "o"/],
    ...['', '0', '-1', '1x', '1e3', '99999999t'].map((size): [Record<string, string>, RegExp] => [
      { size },
      /invalid size/,
    ]),
  ];
  for (const [options, message] of rows)
    assert.throws(() => parseDriverOptions(options), message, JSON.stringify(options));
});

test('names of servers become addresses; addresses and other file systems stay', async () => {
  const at = async (type: string, device: string, options: readonly string[]): Promise<string> =>
    (await resolveAddresses({ type, device, options, isRecursive: false })).options.join();
  assert.equal(await at('nfs', ':/srv', ['addr=127.0.0.1', 'ro']), 'addr=127.0.0.1,ro');
  assert.equal(await at('nfs', '127.0.0.2:/srv', ['ro']), 'ro,addr=127.0.0.2');
  assert.equal(await at('nfs4', '[::1]:/srv', []), 'vers=4,addr=::1');
  assert.equal(await at('nfs4', '127.0.0.2:/', ['nfsvers=4.1']), 'nfsvers=4.1,addr=127.0.0.2');
  assert.equal(await at('cifs', '//127.0.0.3/share', ['username=x']), 'username=x,ip=127.0.0.3');
  assert.equal(await at('tmpfs', 'host:/x', ['size=1m']), 'size=1m');
  assert.match(await at('nfs', ':/srv', ['addr=localhost']), /^addr=(127\.0\.0\.1|::1)$/);
  await assert.rejects(at('nfs', ':/srv', ['addr=no.such.host.invalid']), {
    kind: 'unavailable',
    message: /^the address of its server no\.such\.host\.invalid is not known/,
  });
});
