import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isEngineError } from '../base/error.ts';
import {
  familiarRepository,
  formatFamiliar,
  formatReference,
  parseReference,
  tryParseReference,
  withDefaultTag,
} from './reference.ts';

const HEX = 'a'.repeat(64);

const GOOD: readonly (readonly [text: string, full: string, familiar: string])[] = [
  ['debian', 'docker.io/library/debian', 'debian'],
  ['debian:12', 'docker.io/library/debian:12', 'debian:12'],
  ['library/debian', 'docker.io/library/debian', 'debian'],
  ['user/app', 'docker.io/user/app', 'user/app'],
  ['docker.io/debian', 'docker.io/library/debian', 'debian'],
  ['docker.io/library/debian:12', 'docker.io/library/debian:12', 'debian:12'],
  ['index.docker.io/library/debian', 'docker.io/library/debian', 'debian'],
  ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
  ['localhost/app', 'localhost/app', 'localhost/app'],
  ['localhost:5000/app:v1', 'localhost:5000/app:v1', 'localhost:5000/app:v1'],
  ['127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b', '127.0.0.1:5000/a/b'],
  ['[::1]:5000/a', '[::1]:5000/a', '[::1]:5000/a'],
  ['[2001:db8::1]/a', '[2001:db8::1]/a', '[2001:db8::1]/a'],
  ['ghcr.io/a/b_c--d.e:Tag.x-1', 'ghcr.io/a/b_c--d.e:Tag.x-1', 'ghcr.io/a/b_c--d.e:Tag.x-1'],
  ['MyHost/app', 'MyHost/app', 'MyHost/app'],
  [`debian@sha256:${HEX}`, `docker.io/library/debian@sha256:${HEX}`, `debian@sha256:${HEX}`],
  [
    `debian:12@sha256:${HEX}`,
    `docker.io/library/debian:12@sha256:${HEX}`,
    `debian:12@sha256:${HEX}`,
  ],
  ['a__b/c', 'docker.io/a__b/c', 'a__b/c'],
  [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`, `x:${'t'.repeat(128)}`],
];
for (const [text, full, familiar] of GOOD) {
  test(`parseReference(${JSON.stringify(text.slice(0, 50))}) is ${full.slice(0, 50)}`, () => {
    const reference = parseReference(text);
    assert.equal(formatReference(reference), full);
    assert.equal(formatFamiliar(reference), familiar);
  });
}

const BAD: readonly (readonly [text: string, message: RegExp])[] = [
  ['', /invalid reference format/],
  ['Debian', /repository name \(Debian\) must be lowercase/],
  ['user/App:1', /must be lowercase/],
  [HEX, /cannot specify 64-byte hexadecimal strings/],
  [':tag', /invalid reference format/],
  ['debian:', /invalid reference format/],
  ['debian:.x', /invalid reference format/],
  [`debian:${'t'.repeat(129)}`, /invalid reference format/],
  ['debian@sha256:abc', /invalid reference format/],
  [`debian@md5:${'a'.repeat(32)}`, /invalid reference format/],
  [`debian@sha256:${HEX}@sha256:${HEX}`, /invalid reference format/],
  ['../etc', /invalid reference format/],
  ['a/../b', /invalid reference format/],
  ['a//b', /invalid reference format/],
  ['/a', /invalid reference format/],
  ['a/', /invalid reference format/],
  ['-a', /invalid reference format/],
  ['a___b', /invalid reference format/],
  ['a b', /invalid reference format/],
  ['a\nb', /invalid reference format/],
  ['a\0b', /invalid reference format/],
  ['http://x/y', /invalid reference format/],
  ['x.y:99999/a', /invalid reference format/],
  ['-bad.host/a', /invalid reference format/],
  ['[::1/a', /invalid reference format/],
  ['ünïcode', /invalid reference format/],
  [`${'a/'.repeat(130)}a`, /not be more than 255 characters/],
  [`a:${'x'.repeat(2000)}`, /too long/],
];
for (const [text, message] of BAD) {
  test(`parseReference() refuses ${JSON.stringify(text.slice(0, 50))}`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => isEngineError(error) && error.kind === 'invalid' && message.test(error.message),
    );
    assert.equal(tryParseReference(text), undefined);
  });
}

test('withDefaultTag() adds latest only where neither tag nor digest is', () => {
  assert.equal(withDefaultTag(parseReference('debian')).tag, 'latest');
  assert.equal(withDefaultTag(parseReference('debian:12')).tag, '12');
  assert.equal(withDefaultTag(parseReference(`debian@sha256:${HEX}`)).tag, undefined);
});

test('a million characters are refused quickly', () => {
  const startMs = performance.now();
  for (const text of ['a'.repeat(1e6), '-'.repeat(1e6), `a${'__a'.repeat(3e5)}`])
    assert.equal(tryParseReference(text), undefined);
  assert.ok(performance.now() - startMs < 1000);
});

test('formatReference() and parseReference() are inverse', () => {
  const component = fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/);
  const domain = fc.constantFrom(
    'docker.io',
    'localhost',
    'localhost:5000',
    'ghcr.io',
    'a.b-c.d:443',
    '[::1]:5000',
  );
  const reference = fc.tuple(
    domain,
    fc.array(component, { minLength: 2, maxLength: 4 }),
    fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/)),
  );
  fc.assert(
    fc.property(reference, ([host, path, tag]) => {
      const text = `${host}/${path.join('/')}${tag === null ? '' : `:${tag}`}`;
      const parsed = parseReference(text);
      assert.equal(formatReference(parsed), text);
      assert.deepEqual(parseReference(formatFamiliar(parsed)), parsed);
      assert.equal(
        formatReference(parseReference(familiarRepository(parsed))),
        `${host}/${path.join('/')}`,
      );
    }),
  );
});
