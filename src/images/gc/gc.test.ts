import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChainId, Digest } from '../../base/brand.ts';
import { isEngineError } from '../../base/error.ts';
import { digestBytes } from '../../spec/digest.ts';
import { Shares } from '../shares.ts';
import type { ImageRecord, ImageSpace } from '../store.ts';
import { planGc, type GcPlan } from './plan.ts';
import { KEEP_ALL_POLICY, parseGcPolicy, type GcPolicy } from './policy.ts';

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

interface Given {
  readonly tags?: readonly string[];
  readonly digests?: readonly string[];
  /** Days since the last use. */
  readonly days?: number;
  /** Layers by name; one that two images have is shared. Each has 100 bytes, its blob 10. */
  readonly layers?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly parent?: string;
}

function image(name: string, given: Given): ImageRecord {
  const { tags = [`docker.io/library/${name}:1`], digests = [], days = 0, layers = [name] } = given;
  const id = digestBytes(name);
  const descriptor = { mediaType: '', digest: id, size: 1 };
  const config = given.labels === undefined ? {} : { config: { Labels: given.labels } };
  return {
    id,
    manifest: { ...descriptor, digest: digestBytes(`manifest of ${name}`) },
    configDescriptor: descriptor,
    config: {
      os: 'linux',
      architecture: 'amd64',
      rootfs: { type: 'layers', diff_ids: [] },
      ...config,
    },
    platform: { os: 'linux', architecture: 'amd64' },
    layers: layers.map((layer) => ({ ...descriptor, digest: digestBytes(`blob of ${layer}`) })),
    chain: layers.map((layer) => digestBytes(`layer ${layer}`) as string as ChainId),
    layerSizesBytes: layers.map(() => 100),
    sizeBytes: 100 * layers.length,
    ...(given.parent === undefined ? {} : { parent: digestBytes(given.parent) }),
    tags,
    digests,
    addedAtMs: NOW_MS - 400 * DAY_MS,
    lastTaggedAtMs: NOW_MS - 399 * DAY_MS,
    lastUsedAtMs: NOW_MS - days * DAY_MS,
    captured: { 'etc/passwd': { kind: 'absent' }, 'etc/group': { kind: 'absent' } },
  };
}

/** Layers of 100 bytes, blobs of layers of 10, documents of 1. */
function spaceOf(images: readonly ImageRecord[]): ImageSpace {
  const chains = new Set(images.flatMap(({ chain }) => chain));
  const blobs = new Map<Digest, number>();
  const holdings = new Map<Digest, Set<Digest>>();
  for (const { id, manifest, layers } of images) {
    blobs.set(id, 1).set(manifest.digest, 1);
    for (const { digest } of layers) blobs.set(digest, 10);
    holdings.set(id, new Set([id, manifest.digest, ...layers.map(({ digest }) => digest)]));
  }
  return { layers: [...chains].map((chainId) => ({ chainId, sizeBytes: 100 })), blobs, holdings };
}

function plan(
  policy: string | GcPolicy,
  given: Readonly<Record<string, Given>>,
  used: readonly string[] = [],
): GcPlan {
  const images = Object.entries(given).map(([name, of]) => image(name, of));
  const isUsed = (id: Digest): boolean => used.some((name) => digestBytes(name) === id);
  return planGc(typeof policy === 'string' ? parseGcPolicy(policy) : policy, {
    images,
    users: (id) => (isUsed(id) ? [{ containerId: 'c'.repeat(64), isRunning: false }] : []),
    shares: new Shares(spaceOf(images), images, ({ id }) => isUsed(id)),
    nowMs: NOW_MS,
  });
}

function say({ removals, kept }: GcPlan): readonly string[] {
  const nameOf = ({ tags, id }: ImageRecord): string => tags[0] ?? id.slice(0, 12);
  return [
    ...removals.map(
      ({ image: gone, reason, freesBytes }) => `- ${nameOf(gone)} ${freesBytes}: ${reason}`,
    ),
    ...kept.map(({ image: stays, reason }) => `+ ${nameOf(stays)}: ${reason}`),
  ];
}

const short = (name: string): string => digestBytes(name).slice(0, 12);

test('without a rule nothing goes, however old', () => {
  assert.deepEqual(say(plan(KEEP_ALL_POLICY, { old: { days: 399, tags: [] } })), []);
  assert.deepEqual(say(plan('{}', { old: { days: 399, tags: [] } })), []);
  assert.deepEqual(say(plan('{"keep":{"names":["*"]}}', { old: { days: 399 } })), []);
});

test('untagged images go after their time, tagged ones after theirs, the oldest first', () => {
  const rules = '{"remove":{"untaggedAfter":"24h","unusedAfter":"30d"}}';
  assert.deepEqual(
    say(
      plan(rules, {
        fresh: { days: 1 },
        month: { days: 30 },
        year: { days: 365 },
        loose: { days: 1, tags: [] },
        new: { days: 0.5, tags: [] },
        pinned: { days: 2, tags: [], digests: [`docker.io/library/pinned@${digestBytes('x')}`] },
      }),
    ),
    [
      '- docker.io/library/year:1 112: it was not used for 30d',
      '- docker.io/library/month:1 112: it was not used for 30d',
      `- ${short('pinned')} 112: it has no tag and was not used for 1d`,
      `- ${short('loose')} 112: it has no tag and was not used for 1d`,
    ],
  );
});

test('containers, names, labels and a recent use protect, and say so', () => {
  const rules = JSON.stringify({
    remove: { unusedAfter: '0s' },
    keep: {
      names: ['debian:*', 'quay.io/base/*'],
      labels: ['keep', 'tier=base'],
      usedWithin: '2h',
    },
  });
  assert.deepEqual(
    say(
      plan(
        rules,
        {
          used: { days: 9 },
          debian: { days: 8, tags: ['docker.io/library/debian:12', 'docker.io/library/x:1'] },
          below: { days: 7, tags: ['quay.io/base/a/b:1'] },
          labelled: { days: 6, labels: { keep: '' } },
          tier: { days: 5, labels: { tier: 'base' } },
          other: { days: 4, labels: { tier: 'other' } },
          recent: { days: 1 / 24 },
        },
        ['used'],
      ),
    ),
    [
      '- docker.io/library/other:1 112: it was not used for 0d',
      '+ docker.io/library/used:1: 1 container uses it',
      '+ docker.io/library/debian:12: its name fits debian:*',
      '+ quay.io/base/a/b:1: its name fits quay.io/base/*',
      '+ docker.io/library/labelled:1: it has the label keep',
      '+ docker.io/library/tier:1: it has the label tier=base',
      '+ docker.io/library/recent:1: it was used within 2h',
    ],
  );
});

test('above its size the longest unused go until it fits, shared layers counted once', () => {
  // Each alone takes 112, base is shared: 110 + 3 × (110 + 2) = 446.
  const images = {
    a: { days: 3, layers: ['base', 'a'] },
    b: { days: 2, layers: ['base', 'b'] },
    c: { days: 1, layers: ['base', 'c'] },
  };
  assert.deepEqual(say(plan('{"remove":{"above":"446B"}}', images)), []);
  assert.deepEqual(say(plan('{"remove":{"above":"445B"}}', images)), [
    '- docker.io/library/a:1 112: images take 446 B, more than 445 B',
  ]);
  assert.deepEqual(say(plan('{"remove":{"above":"0B"}}', images, ['b'])), [
    '- docker.io/library/a:1 112: images take 446 B, more than 0 B',
    '- docker.io/library/c:1 112: images take 334 B, more than 0 B',
    '+ docker.io/library/b:1: 1 container uses it',
  ]);
  assert.deepEqual(
    plan('{"remove":{"above":"0B"}}', images).removals.map(({ freesBytes }) => freesBytes),
    [112, 112, 222],
  );
});

test('an image others were made from goes after them, or stays', () => {
  const rules = '{"remove":{"unusedAfter":"1d"}}';
  const images = {
    base: { days: 9, tags: [] },
    child: { days: 2, layers: ['base', 'child'], parent: 'base' },
  };
  assert.deepEqual(say(plan(rules, images)), [
    '- docker.io/library/child:1 112: it was not used for 1d',
    `- ${short('base')} 112: it was not used for 1d`,
  ]);
  assert.deepEqual(say(plan(rules, images, ['child'])), [
    `+ ${short('base')}: another image was made from it`,
    '+ docker.io/library/child:1: 1 container uses it',
  ]);
});

test('patterns of names: tags, repositories, everything below, everything', () => {
  const keeps = (pattern: string, name: string): boolean =>
    parseGcPolicy(JSON.stringify({ keep: { names: [pattern] } })).keep.patternOf(name) !==
    undefined;
  const rows: readonly (readonly [string, string, boolean])[] = [
    ['debian', 'docker.io/library/debian:12', true],
    ['debian', `docker.io/library/debian@${digestBytes('x')}`, true],
    ['debian', 'docker.io/library/debian-slim:12', false],
    ['debian:12', 'docker.io/library/debian:12', true],
    ['debian:12', 'docker.io/library/debian:12.1', false],
    ['debian:1*', 'docker.io/library/debian:12', true],
    ['team/*', 'docker.io/team/a/b:1', true],
    ['team/*', 'docker.io/teams/a:1', false],
    ['*/app', 'quay.io/app:1', true],
    ['*/app', 'quay.io/team/app:1', false],
    ['quay.io/*', 'quay.io/team/app:1', true],
    ['quay.io/*', 'quayxio/team/app:1', false],
    ['host:5000/app', 'host:5000/app:1', true],
    ['*', 'any.example/thing:1', true],
  ];
  for (const [pattern, name, expected] of rows)
    assert.equal(keeps(pattern, name), expected, `${pattern} ${name}`);
});

test('a file that is wrong is refused by the key that is wrong', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['{', /not JSON/],
    ['[]', /the file must be an object/],
    ['{"evry":"1h"}', /the file has an unknown key "evry" \(known: every, remove, keep\)/],
    ['{"every":"1"}', /every must be a duration like/],
    ['{"every":"0s"}', /every must be at least 1s/],
    ['{"every":60}', /every must be a duration/],
    ['{"remove":{"above":"20"}}', /remove\.above must be a size like/],
    ['{"remove":{"above":"-1GB"}}', /remove\.above must be a size/],
    ['{"remove":{"unusedAfter":"soon"}}', /remove\.unusedAfter must be a duration/],
    ['{"remove":{"all":true}}', /remove has an unknown key "all"/],
    ['{"keep":{"names":"x"}}', /keep\.names must be a list/],
    ['{"keep":{"labels":[1]}}', /keep\.labels\[0\] must be text/],
  ];
  for (const [text, message] of rows) {
    assert.throws(
      () => parseGcPolicy(text),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
      text,
    );
  }
  const { everyMs, remove, keep } = parseGcPolicy(
    '{"every":"90m","remove":{"above":"1.5GB","untaggedAfter":"2d"},"keep":{"usedWithin":"30s"}}',
  );
  assert.deepEqual(
    [everyMs, remove, keep.usedWithinMs],
    [90 * 60_000, { aboveBytes: 1_500_000_000, untaggedAfterMs: 2 * DAY_MS }, 30_000],
  );
  assert.equal(parseGcPolicy('{"remove":{"above":"2 GiB"}}').remove.aboveBytes, 2 * 1024 ** 3);
});
