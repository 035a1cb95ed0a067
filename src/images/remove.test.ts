import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Digest } from '../base/brand.ts';
import { isEngineError } from '../base/error.ts';
import { digestBytes } from '../spec/digest.ts';
import { planRemove, type RemovePlan } from './remove.ts';
import type { ImageRecord, ImageUser, RemoveOptions } from './store.ts';

const HEX = 'a'.repeat(64);
const IDS = { base: digestBytes('base'), middle: digestBytes('middle'), app: digestBytes('app') };

function image(id: Digest, names: readonly string[], parent?: Digest): ImageRecord {
  const descriptor = { mediaType: '', digest: id, size: 0 };
  return {
    id,
    manifest: descriptor,
    configDescriptor: descriptor,
    config: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } },
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [],
    chain: [],
    layerSizesBytes: [],
    sizeBytes: 0,
    ...(parent === undefined ? {} : { parent }),
    tags: names.filter((name) => !name.includes('@')),
    digests: names.filter((name) => name.includes('@')),
    addedAtMs: 0,
    captured: { 'etc/passwd': { kind: 'absent' }, 'etc/group': { kind: 'absent' } },
  };
}

interface Case {
  readonly images?: readonly ImageRecord[];
  readonly reference: string;
  readonly force?: boolean;
  readonly noPrune?: boolean;
  readonly users?: readonly ImageUser[];
}

const APP_1 = 'docker.io/library/app:1';
const APP_2 = 'docker.io/library/app:2';
const APP_DIGEST = `docker.io/library/app@sha256:${HEX}`;
const QUAY = 'quay.io/x/app:1';
const RUNNING: readonly ImageUser[] = [{ containerId: 'c'.repeat(64), isRunning: true }];
const STOPPED: readonly ImageUser[] = [{ containerId: 'd'.repeat(64), isRunning: false }];

function plan({ images, reference, force = false, noPrune = false, users = [] }: Case): RemovePlan {
  const all = images ?? [image(IDS.app, [APP_1])];
  const target = all.find(({ id }) => id === IDS.app) ?? assert.fail();
  const options: RemoveOptions = { force, noPrune, users: (id) => (id === IDS.app ? users : []) };
  return planRemove({
    image: target,
    reference,
    options,
    get: (id) => all.find((candidate) => candidate.id === id),
    childrenOf: (id) => all.flatMap((candidate) => (candidate.parent === id ? [candidate.id] : [])),
  });
}

const named = (...names: readonly string[]): readonly ImageRecord[] => [image(IDS.app, names)];
const short = IDS.app.slice(7, 19);

const PLANS: readonly (readonly [
  what: string,
  input: Case,
  untag: readonly string[],
  deleted: readonly Digest[],
])[] = [
  ['the only tag takes the image', { reference: 'app:1' }, [APP_1], [IDS.app]],
  [
    'one of two tags takes only the tag',
    { images: named(APP_1, APP_2), reference: 'app:1' },
    [APP_1],
    [],
  ],
  [
    'the last tag takes the digest of its repository along',
    { images: named(APP_1, APP_DIGEST), reference: 'app:1' },
    [APP_1, APP_DIGEST],
    [IDS.app],
  ],
  [
    'a tag leaves the digest while another tag of the repository is there',
    { images: named(APP_1, APP_2, APP_DIGEST), reference: 'app:1' },
    [APP_1],
    [],
  ],
  [
    'the last tag of a repository takes its digest, the image stays under another name',
    { images: named(APP_1, APP_DIGEST, QUAY), reference: 'app:1' },
    [APP_1, APP_DIGEST],
    [],
  ],
  [
    'a digest name takes only itself',
    { images: named(APP_1, APP_DIGEST), reference: `app@sha256:${HEX}` },
    [APP_DIGEST],
    [],
  ],
  [
    'the only digest name takes the image',
    { images: named(APP_DIGEST), reference: `app@sha256:${HEX}` },
    [APP_DIGEST],
    [IDS.app],
  ],
  [
    'one of two tags goes though the image is in use',
    { images: named(APP_1, APP_2), reference: 'app:1', users: RUNNING },
    [APP_1],
    [],
  ],
  [
    'the only tag of an image in use goes by force, the image stays for its running container',
    { reference: 'app:1', users: RUNNING, force: true },
    [APP_1],
    [],
  ],
  [
    'the only tag of an image of a stopped container takes the image by force',
    { reference: 'app:1', users: STOPPED, force: true },
    [APP_1],
    [IDS.app],
  ],
  ['an id takes the image and its single name', { reference: short }, [APP_1], [IDS.app]],
  ['a full id takes a dangling image', { images: named(), reference: IDS.app }, [], [IDS.app]],
  [
    'an id takes a tag and a digest of one repository',
    { images: named(APP_1, APP_DIGEST), reference: short },
    [APP_1, APP_DIGEST],
    [IDS.app],
  ],
  [
    'an id takes names in several repositories by force',
    { images: named(APP_1, QUAY), reference: short, force: true },
    [APP_1, QUAY],
    [IDS.app],
  ],
  [
    'an id takes the image of a stopped container by force',
    { reference: short, users: STOPPED, force: true },
    [APP_1],
    [IDS.app],
  ],
  [
    'untagged parents go with their last child',
    {
      images: [
        image(IDS.app, [APP_1], IDS.middle),
        image(IDS.middle, [], IDS.base),
        image(IDS.base, ['docker.io/library/base:1']),
      ],
      reference: 'app:1',
    },
    [APP_1],
    [IDS.app, IDS.middle],
  ],
  [
    'untagged parents stay when asked',
    {
      images: [image(IDS.app, [APP_1], IDS.middle), image(IDS.middle, [])],
      reference: 'app:1',
      noPrune: true,
    },
    [APP_1],
    [IDS.app],
  ],
  [
    'a parent with another child stays',
    {
      images: [
        image(IDS.app, [APP_1], IDS.base),
        image(IDS.base, []),
        image(IDS.middle, [], IDS.base),
      ],
      reference: 'app:1',
    },
    [APP_1],
    [IDS.app],
  ],
  [
    'a parent that is gone is no parent',
    { images: [image(IDS.app, [APP_1], IDS.base)], reference: 'app:1' },
    [APP_1],
    [IDS.app],
  ],
  [
    'the tag of an image with children goes, the image stays',
    { images: [image(IDS.app, [APP_1]), image(IDS.middle, [], IDS.app)], reference: 'app:1' },
    [APP_1],
    [],
  ],
];
for (const [what, input, untag, deleted] of PLANS) {
  test(`planRemove(): ${what}`, () => {
    assert.deepEqual(plan(input), { untag, delete: deleted });
  });
}

const CONFLICTS: readonly (readonly [what: string, input: Case, message: string])[] = [
  [
    'the only tag of an image in use',
    { reference: 'app:1', users: RUNNING },
    `conflict: unable to remove repository reference "app:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
  ],
  [
    'the only tag of an image of a stopped container',
    { reference: 'app:1', users: STOPPED },
    `conflict: unable to remove repository reference "app:1" (must force) - container dddddddddddd is using its referenced image ${short}`,
  ],
  [
    'an id with names in several repositories',
    { images: named(APP_1, QUAY), reference: short },
    `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  ],
  [
    'an id with two tags',
    { images: named(APP_1, APP_2), reference: short },
    `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  ],
  [
    'an id of a running container, even by force',
    { reference: short, users: RUNNING, force: true },
    `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  ],
  [
    'an id of a stopped container',
    { reference: short, users: STOPPED },
    `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container dddddddddddd`,
  ],
  [
    'an id with children, even by force',
    {
      images: [image(IDS.app, [APP_1]), image(IDS.middle, [], IDS.app)],
      reference: short,
      force: true,
    },
    `conflict: unable to delete ${short} (cannot be forced) - image has dependent child images`,
  ],
];
for (const [what, input, message] of CONFLICTS) {
  test(`planRemove() refuses ${what}`, () => {
    assert.throws(
      () => plan(input),
      (error) => isEngineError(error) && error.kind === 'conflict' && error.message === message,
    );
  });
}
