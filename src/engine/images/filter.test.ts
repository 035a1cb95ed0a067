import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeImage, fakeImages } from '../../../test/fakes/images.ts';
import { isEngineError } from '../../base/error.ts';
import type { Digest } from '../../base/brand.ts';
import type { ImageRecord } from '../../images/store.ts';
import type { Filters } from '../engine.ts';
import { compileImageFilter, compilePruneFilter } from './filter.ts';

const NOW_NS = 1_700_000_000_000_000_000n;
const DIGEST = `sha256:${'d'.repeat(64)}`;

function made(name: string, created: string, more: Partial<ImageRecord> = {}): ImageRecord {
  const image = fakeImage(name);
  return { ...image, config: { ...image.config, created }, ...more };
}

const base = made('base', '2023-11-01T00:00:00Z', { tags: [] });
const app = made('app', '2023-11-02T00:00:00.5Z', {
  parent: base.id,
  tags: ['docker.io/library/app:1', 'docker.io/library/other:1', 'quay.io/team/app:2'],
  digests: [`quay.io/team/app@${DIGEST}`],
});
const dangling = made('dangling', '2023-11-03T00:00:00Z', { tags: [] });
const pinned = made('pinned', '2023-11-04T00:00:00Z', {
  tags: [],
  digests: [`docker.io/library/pinned@${DIGEST}`],
});
const timeless: ImageRecord = { ...fakeImage('timeless'), addedAtMs: 5 };
const all = [pinned, dangling, app, base, timeless];
const words = new Map<Digest, string>([
  [base.id, 'base'],
  [app.id, 'app'],
  [dangling.id, 'dangling'],
  [pinned.id, 'pinned'],
  [timeless.id, 'timeless'],
]);

function listed(filters: Filters, isAll = false): readonly string[] {
  const shown = compileImageFilter(fakeImages(all), {
    filters,
    all: isAll,
    hasChildren: ({ id }) => all.some(({ parent }) => parent === id),
    nowNs: NOW_NS,
  });
  return all.flatMap((image) => (shown(image) === undefined ? [] : [words.get(image.id) ?? '?']));
}

test('a list shows what has a name and what nothing was made from', () => {
  assert.deepEqual(listed({}), ['pinned', 'dangling', 'app', 'timeless']);
  assert.deepEqual(listed({}, true), ['pinned', 'dangling', 'app', 'base', 'timeless']);
});

test('before, since and until look at when an image was made, to the fraction of a second', () => {
  assert.deepEqual(listed({ since: [app.id] }), ['pinned', 'dangling']);
  assert.deepEqual(listed({ before: [app.id] }, true), ['base', 'timeless']);
  assert.deepEqual(listed({ before: [pinned.id], since: [base.id] }), ['dangling', 'app']);
  assert.deepEqual(listed({ until: ['2023-11-02T00:00:00.5Z'] }), ['app', 'timeless']);
  assert.deepEqual(listed({ until: ['2023-11-02T00:00:00Z'] }), ['timeless']);
  assert.throws(
    () => listed({ before: ['gone'] }),
    (error) => isEngineError(error) && error.kind === 'not-found',
  );
});

test('dangling is what has no tag; its opposite still shows what has a digest', () => {
  assert.deepEqual(listed({ dangling: ['true'] }, true), ['pinned', 'dangling']);
  assert.deepEqual(listed({ dangling: ['false'] }, true), ['pinned', 'app', 'timeless']);
  assert.throws(
    () => listed({ dangling: ['perhaps'] }),
    (error) => isEngineError(error) && error.kind === 'invalid',
  );
});

test('a pattern takes names with and without their tag, and only those are shown', () => {
  const local = { ...app, tags: ['[::1]:5000/app:1'], digests: [] };
  const shown = (...reference: string[]): readonly string[] => {
    const filter = compileImageFilter(fakeImages(all), {
      filters: { reference },
      all: true,
      hasChildren: () => false,
      nowNs: NOW_NS,
    });
    return [...all, local].flatMap((image) => {
      const names = filter(image);
      return names === undefined ? [] : [...names.tags, ...names.digests];
    });
  };
  assert.deepEqual(shown('app'), ['docker.io/library/app:1']);
  assert.deepEqual(shown('quay.io/*/app'), ['quay.io/team/app:2', `quay.io/team/app@${DIGEST}`]);
  assert.deepEqual(shown('*:1'), ['docker.io/library/app:1', 'docker.io/library/other:1']);
  assert.deepEqual(shown('ap?:[0-9]', 'timel*'), [
    'docker.io/library/app:1',
    'docker.io/library/timeless:latest',
  ]);
  assert.deepEqual(shown('*'), [
    `docker.io/library/pinned@${DIGEST}`,
    'docker.io/library/app:1',
    'docker.io/library/other:1',
    'docker.io/library/timeless:latest',
  ]);
  assert.deepEqual(shown('none'), []);
  assert.deepEqual(shown('[::1]:5000/app'), ['[::1]:5000/app:1']);
});

test('a prune takes images without a tag unless told otherwise, by label and by age', () => {
  const labelled: ImageRecord = {
    ...app,
    config: { ...app.config, config: { Labels: { keep: 'yes' } } },
  };
  const taken = (filters: Filters): readonly boolean[] => {
    const { accept } = compilePruneFilter(filters, NOW_NS);
    return [accept(labelled), accept(dangling)];
  };
  assert.equal(compilePruneFilter({}, NOW_NS).danglingOnly, true);
  assert.equal(compilePruneFilter({ dangling: ['false'] }, NOW_NS).danglingOnly, false);
  assert.deepEqual(taken({ label: ['keep'] }), [true, false]);
  assert.deepEqual(taken({ 'label!': ['keep=yes'] }), [false, true]);
  assert.deepEqual(taken({ until: ['2023-11-02T12:00:00Z'] }), [true, false]);
  // A duration goes back from now: 2023-11-14T22:13:20Z.
  assert.deepEqual(taken({ until: ['288h'] }), [true, false]);
  assert.throws(
    () => compilePruneFilter({ before: ['x'] }, NOW_NS),
    (error) => isEngineError(error) && error.kind === 'invalid',
  );
});
