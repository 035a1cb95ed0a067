import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isEngineError } from '../base/error.ts';
import {
  choosePlatform,
  formatPlatform,
  hostPlatform,
  parsePlatform,
  type Platform,
} from './platform.ts';

const HOST: Platform = { os: 'linux', architecture: 'amd64' };

const PARSED: readonly (readonly [text: string, formatted: string])[] = [
  ['linux/amd64', 'linux/amd64'],
  ['linux/x86_64', 'linux/amd64'],
  ['Linux/AMD64/v1', 'linux/amd64'],
  ['linux/amd64/v3', 'linux/amd64/v3'],
  ['linux/arm64/v8', 'linux/arm64'],
  ['linux/aarch64', 'linux/arm64'],
  ['linux/arm64/v9', 'linux/arm64/v9'],
  ['linux/arm', 'linux/arm/v7'],
  ['linux/armhf', 'linux/arm/v7'],
  ['linux/armel', 'linux/arm/v6'],
  ['linux/arm/6', 'linux/arm/v6'],
  ['arm64', 'linux/arm64'],
  ['riscv64', 'linux/riscv64'],
  ['macos/arm64', 'darwin/arm64'],
  ['windows', 'windows/amd64'],
  ['linux', 'linux/amd64'],
];
for (const [text, formatted] of PARSED) {
  test(`parsePlatform(${text}) is ${formatted}`, () => {
    assert.equal(formatPlatform(parsePlatform(text, HOST)), formatted);
  });
}

for (const text of [
  '',
  '/',
  'linux/',
  'linux/amd64/v1/x',
  'a b',
  'linux/../x',
  `linux/${'a'.repeat(65)}`,
]) {
  test(`parsePlatform() refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
    assert.throws(
      () => parsePlatform(text, HOST),
      (error) => isEngineError(error) && error.kind === 'invalid',
    );
  });
}

test('hostPlatform() knows the words of the runtime', () => {
  assert.deepEqual(hostPlatform('x64'), HOST);
  assert.deepEqual(hostPlatform('arm64'), { os: 'linux', architecture: 'arm64' });
});

const CHOICES: readonly (readonly [
  wanted: string,
  offers: readonly string[],
  chosen: string | undefined,
])[] = [
  ['linux/amd64', ['linux/arm64', 'linux/amd64', 'linux/386'], 'linux/amd64'],
  ['linux/amd64', ['linux/arm64', 'windows/amd64'], undefined],
  ['linux/amd64/v3', ['linux/amd64', 'linux/amd64/v2', 'linux/amd64/v4'], 'linux/amd64/v2'],
  ['linux/amd64', ['linux/amd64/v2'], undefined],
  ['linux/arm/v7', ['linux/arm/v5', 'linux/arm/v6', 'linux/arm64'], 'linux/arm/v6'],
  ['linux/arm64', ['linux/arm/v6', 'linux/arm/v7'], 'linux/arm/v7'],
  ['linux/arm64', ['linux/arm/v7', 'linux/arm64/v8'], 'linux/arm64'],
  ['linux/arm/v6', ['linux/arm/v7'], undefined],
];
for (const [wanted, offers, chosen] of CHOICES) {
  test(`choosePlatform() for ${wanted} of ${offers.join(', ')} is ${chosen ?? 'none'}`, () => {
    const parse = (text: string): Platform => parsePlatform(text, HOST);
    const found = choosePlatform(offers.map(parse), (offer) => offer, parse(wanted));
    assert.equal(found === undefined ? undefined : formatPlatform(found), chosen);
  });
}
