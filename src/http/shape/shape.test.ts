import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sampleImage, sampleInspect, sampleSummary } from '../../../test/fakes/engine.ts';
import { at, keysOf, travelled } from '../../../test/fakes/json.ts';
import { isEngineError } from '../../base/error.ts';
import { shapeInspect, shapeSummary } from './container.ts';
import { shapeCreate } from './create.ts';
import { isShown, shapeEvent } from './event.ts';
import { shapeImageInspect, shapeImageSummary } from './image.ts';

const noQuery = { name: undefined, platform: undefined };

test('shapeInspect() copies the bridge endpoint into the legacy fields', () => {
  const shaped = at(travelled(shapeInspect(sampleInspect, 51)), 'NetworkSettings');
  assert.equal(at(shaped, 'IPAddress'), '172.17.0.2');
  assert.equal(at(shaped, 'Gateway'), '172.17.0.1');
  assert.equal(at(shaped, 'MacAddress'), '');
  assert.equal(at(shaped, 'Bridge'), '');
  assert.deepEqual(at(shaped, 'Ports'), {});
  assert.deepEqual(at(shaped, 'Networks', 'bridge', 'DNSNames'), ['web']);
});

test('shapeInspect() shows clients before 1.45 the short id as alias, before 1.44 no DNS names', () => {
  const bridgeAt = (version: number): unknown =>
    at(travelled(shapeInspect(sampleInspect, version)), 'NetworkSettings', 'Networks', 'bridge');
  assert.deepEqual(at(bridgeAt(44), 'Aliases'), ['abababababab']);
  assert.deepEqual(at(bridgeAt(44), 'DNSNames'), ['web']);
  assert.equal(keysOf(bridgeAt(43)).includes('DNSNames'), false);
});

test('shapeSummary() shows annotations from 1.46 on', () => {
  assert.deepEqual(shapeSummary(sampleSummary, 46), sampleSummary);
  assert.deepEqual(shapeSummary(sampleSummary, 45), {
    ...sampleSummary,
    HostConfig: { NetworkMode: 'none' },
  });
});

test('shapeImageInspect() adds and removes what each version had', () => {
  const keys = (version: number, manifests = false): string[] =>
    Object.keys(shapeImageInspect(sampleImage, version, manifests));
  assert.equal(keys(43).includes('VirtualSize'), true);
  assert.equal(keys(44).includes('VirtualSize'), false);
  assert.equal(keys(44).includes('ContainerConfig'), true);
  assert.equal(keys(45).includes('ContainerConfig'), false);
  assert.equal(keys(47).includes('Descriptor'), false);
  assert.equal(keys(48).includes('Descriptor'), true);
  assert.equal(keys(48, true).includes('Manifests'), true);
  assert.equal(keys(51).includes('Manifests'), false);
  const config = (version: number): unknown =>
    at(travelled(shapeImageInspect(sampleImage, version, false)), 'Config');
  assert.deepEqual(config(51), { Env: ['PATH=/bin'], Cmd: ['bash'] });
  assert.equal(keysOf(config(49)).includes('AttachStdin'), true);
});

test('shapeImageSummary() names the nameless before 1.43', () => {
  const row = {
    Id: 'sha256:0',
    ParentId: '',
    RepoTags: [],
    RepoDigests: [],
    Created: 0,
    Size: 5,
    SharedSize: -1,
    Labels: null,
    Containers: -1,
  };
  const old = travelled(shapeImageSummary(row, 42, false));
  assert.deepEqual(
    [at(old, 'RepoTags'), at(old, 'RepoDigests'), at(old, 'VirtualSize')],
    [['<none>:<none>'], ['<none>@<none>'], 5],
  );
  assert.deepEqual(shapeImageSummary(row, 51, false), row);
});

test('shapeEvent() adds the words of the first API', () => {
  const event = {
    Type: 'container',
    Action: 'die',
    Actor: { ID: 'x', Attributes: { image: 'debian', exitCode: '3' } },
    scope: 'local',
    time: 1,
    timeNano: 1n,
  } as const;
  assert.deepEqual(shapeEvent(event), { status: 'die', id: 'x', from: 'debian', ...event });
  const volume = { ...event, Type: 'volume' } as const;
  assert.deepEqual(shapeEvent(volume), volume);
  const created = { ...event, Type: 'image', Action: 'create' } as const;
  assert.deepEqual(
    [isShown(created, 45), isShown(created, 46), isShown(event, 24)],
    [false, true, true],
  );
});

test('shapeCreate() splits the body and takes the slash off the name', () => {
  const request = shapeCreate(
    {
      Image: 'a',
      HostConfig: { Privileged: true },
      NetworkingConfig: { EndpointsConfig: { none: null } },
    },
    { name: '/web', platform: 'linux/arm64' },
    51,
  );
  assert.deepEqual(request, {
    name: 'web',
    platform: 'linux/arm64',
    config: { Image: 'a' },
    hostConfig: { Privileged: true },
    endpoints: { none: null },
  });
});

test('shapeCreate() refuses an empty body', () => {
  assert.throws(
    () => shapeCreate(undefined, noQuery, 51),
    (error) =>
      isEngineError(error) &&
      error.message === 'config cannot be empty in order to create a container',
  );
});

test('shapeCreate() gives older clients the defaults of their time', () => {
  const hostAt = (version: number): object =>
    shapeCreate({ HostConfig: { Annotations: { a: 'b' }, PidsLimit: 0 } }, noQuery, version)
      .hostConfig;
  assert.deepEqual(hostAt(39), { CgroupnsMode: 'host', IpcMode: 'shareable', PidsLimit: null });
  assert.deepEqual(hostAt(40), { CgroupnsMode: 'host', PidsLimit: 0 });
  assert.deepEqual(hostAt(41), { PidsLimit: 0 });
  assert.deepEqual(hostAt(43), { Annotations: { a: 'b' }, PidsLimit: 0 });
});

test('shapeCreate() takes new mount options away from clients that cannot have meant them', () => {
  const mounts = (version: number): unknown =>
    shapeCreate(
      {
        HostConfig: {
          Mounts: [
            {
              Type: 'bind',
              ReadOnly: true,
              BindOptions: {
                NonRecursive: true,
                CreateMountpoint: true,
                ReadOnlyForceRecursive: true,
              },
            },
          ],
        },
      },
      noQuery,
      version,
    ).hostConfig.Mounts?.[0]?.BindOptions;
  assert.deepEqual(mounts(39), { ReadOnlyNonRecursive: true });
  assert.deepEqual(mounts(41), { NonRecursive: true, ReadOnlyNonRecursive: true });
  assert.deepEqual(mounts(43), {
    NonRecursive: true,
    CreateMountpoint: true,
    ReadOnlyNonRecursive: true,
  });
  assert.deepEqual(mounts(44), {
    NonRecursive: true,
    CreateMountpoint: true,
    ReadOnlyForceRecursive: true,
  });
});

test('shapeCreate() refuses several networks before 1.44', () => {
  const body = { NetworkingConfig: { EndpointsConfig: { a: null, b: null } } };
  assert.throws(
    () => shapeCreate(body, noQuery, 43),
    (error) => isEngineError(error) && /multiple network endpoints: a, b/.test(error.message),
  );
  assert.deepEqual(shapeCreate(body, noQuery, 44).endpoints, { a: null, b: null });
});
