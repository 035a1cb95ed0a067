import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isEngineError } from '../../base/error.ts';
import { imageChanges, mmdebstrapWords } from './command-line.ts';
import { findHostSource, parseBootstrap, parseDeb822, parseSourcesList } from './distribution.ts';

const host = { name: 'debian', codename: 'trixie' };
const names: readonly (readonly [
  string,
  string,
  typeof host | undefined,
  readonly [string, string],
])[] = [
  ['debian', '', host, ['trixie', 'debian:latest']],
  ['debian', '', undefined, ['stable', 'debian:latest']],
  ['debian', '', { name: 'ubuntu', codename: 'noble' }, ['stable', 'debian:latest']],
  ['debian:bookworm', '', host, ['bookworm', 'debian:bookworm']],
  ['debian:12', '', host, ['bookworm', 'debian:12']],
  ['debian:sid', 'mine:1', host, ['sid', 'mine:1']],
  ['ubuntu', '', host, ['noble', 'ubuntu:latest']],
  ['ubuntu:22.04', '', undefined, ['jammy', 'ubuntu:22.04']],
];

for (const [text, tag, machine, [suite, reference]] of names) {
  test(`parseBootstrap() takes ${text} as ${suite} on ${machine?.name ?? 'no'} ${machine?.codename ?? 'known machine'}`, () => {
    const { suite: found, reference: named } = parseBootstrap(text, tag, machine);
    assert.deepEqual([found, named], [suite, reference]);
  });
}

for (const text of [
  '',
  'arch',
  'debian:',
  'debian:a:b',
  'debian:--foo',
  'debian:../x',
  'debian:$(id)',
]) {
  test(`parseBootstrap() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(
      () => parseBootstrap(text, '', host),
      (error: unknown) => isEngineError(error) && error.kind === 'invalid',
    );
  });
}

test('parseSourcesList() and parseDeb822() find archives of binary packages', () => {
  assert.deepEqual(
    parseSourcesList(
      '# deb http://x y z\ndeb [signed-by=/k] http://a.example/debian trixie main\ndeb-src http://b c d\n',
    ),
    [{ mirror: 'http://a.example/debian', suites: ['trixie'] }],
  );
  const text = `Types: deb deb-src
# a comment
URIs: http://a.example/debian
 http://b.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://off.example/
Suites: trixie
Enabled: no

Types: deb-src
URIs: http://src.example/
Suites: trixie
`;
  assert.deepEqual(parseDeb822(text), [
    { mirror: 'http://a.example/debian', suites: ['trixie', 'trixie-updates'] },
    { mirror: 'http://b.example/debian', suites: ['trixie', 'trixie-updates'] },
  ]);
});

test('findHostSource() takes the archive of the suite itself, not of its security updates', () => {
  const sources = [
    { mirror: 'http://a.example/debian-security', suites: ['trixie'] },
    { mirror: 'cdrom:[Debian]/', suites: ['trixie'] },
    { mirror: 'http://a.example/debian', suites: ['trixie', 'trixie-updates'] },
  ];
  assert.equal(findHostSource(sources, 'trixie')?.mirror, 'http://a.example/debian');
  assert.equal(findHostSource(sources, 'sid'), undefined);
});

test('mmdebstrapWords() asks for a small tree on standard output, and passes packages as one word', () => {
  const words = mmdebstrapWords({
    suite: 'trixie',
    mirror: 'http://a/',
    include: ['python3', 'curl'],
    isRoot: false,
  });
  assert.deepEqual([words[0], words.slice(-3)], ['mmdebstrap', ['trixie', '-', 'http://a/']]);
  assert.ok(words.includes('--variant=minbase'));
  assert.ok(words.includes('--mode=auto'));
  assert.ok(words.includes('--include=ca-certificates,netbase,procps,python3,curl'));
  for (const name of ['a b', '--setup-hook=rm', 'a,b', '', 'A']) {
    assert.throws(
      () => mmdebstrapWords({ suite: 's', mirror: 'm', include: [name], isRoot: true }),
      /is not the name of a package/,
    );
  }
});

test('imageChanges() makes bash the command', () => {
  assert.equal(imageChanges('debian', 'trixie')[0], 'CMD ["bash"]');
});
