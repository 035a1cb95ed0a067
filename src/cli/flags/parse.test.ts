import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseFlags, readEach } from './parse.ts';
import type { FlagTable } from './table.ts';
import { isUsageError, usageError } from './usage-error.ts';
import { EngineError, isEngineError } from '../../base/error.ts';

const table = {
  detach: { kind: 'bool', short: 'd', help: '' },
  interactive: { kind: 'bool', short: 'i', help: '' },
  tty: { kind: 'bool', short: 't', help: '' },
  proxy: { kind: 'bool', help: '', default: true },
  env: { kind: 'list', short: 'e', help: '' },
  publish: { kind: 'list', short: 'p', help: '' },
  name: { kind: 'string', help: '' },
  memory: { kind: 'bytes', short: 'm', help: '' },
  cpus: { kind: 'decimal', help: '' },
  swappiness: { kind: 'int', help: '', default: -1 },
  wait: { kind: 'duration', help: '' },
  network: { kind: 'string', help: '' },
  net: { kind: 'string', help: '', isHidden: true, aliasOf: 'network' },
  pull: { kind: 'string', help: '', default: 'missing', choices: ['always', 'missing', 'never'] },
} as const satisfies FlagTable;

const lines: readonly (readonly [string, readonly string[], object, readonly string[]])[] = [
  ['a cluster', ['-itd', 'x'], { interactive: true, tty: true, detach: true }, ['x']],
  [
    'a cluster that ends in a value',
    ['-ite', 'A=1'],
    { interactive: true, tty: true, env: ['A=1'] },
    [],
  ],
  [
    'a short flag with its value attached',
    ['-p80:80', '-eB'],
    { publish: ['80:80'], env: ['B'] },
    [],
  ],
  ['a short flag with an equals sign', ['-e=A=1', '-d=false'], { env: ['A=1'], detach: false }, []],
  [
    'a repeated flag',
    ['-e', 'A=1', '--env', 'B', '--env=C=x=y'],
    { env: ['A=1', 'B', 'C=x=y'] },
    [],
  ],
  ['an empty value', ['--name=', '-e', ''], { name: '', env: [''] }, []],
  ['a boolean switched off', ['--proxy=false'], { proxy: false }, []],
  ['a boolean that does not eat the next word', ['--detach', 'true'], { detach: true }, ['true']],
  ['a value that looks like a flag', ['--name', '-x', '-e', '--'], { name: '-x', env: ['--'] }, []],
  [
    'sizes and numbers',
    ['-m', '10m', '--cpus=1.5', '--swappiness', '60', '--wait=1m30s'],
    { memory: 10485760, cpus: 1.5e9, swappiness: 60, wait: 90e9 },
    [],
  ],
  ['another name of a flag', ['--net', 'host'], { network: 'host' }, []],
  ['flags among the arguments', ['a', '-d', 'b'], { detach: true }, ['a', 'b']],
  ['a double dash', ['-d', '--', '-t', '--'], { detach: true, tty: false }, ['-t', '--']],
  ['a lone dash, which is an argument', ['-', '-d'], { detach: true }, ['-']],
];

for (const [name, argv, flags, args] of lines) {
  test(`parseFlags() reads ${name}`, () => {
    const parsed = parseFlags(table, argv, { isInterspersed: true });
    for (const [flag, value] of Object.entries(flags))
      assert.deepEqual(parsed.flags[flag as keyof typeof table], value, flag);
    assert.deepEqual(parsed.args, args);
  });
}

test('parseFlags() leaves everything after the first argument alone when told to', () => {
  const parsed = parseFlags(table, ['-d', 'image', '-d', '--name', 'x', '--'], {
    isInterspersed: false,
  });
  assert.deepEqual(parsed.args, ['image', '-d', '--name', 'x', '--']);
  assert.equal(parsed.flags.name, '');
});

test('parseFlags() drops one double dash before the arguments', () => {
  assert.deepEqual(parseFlags(table, ['--', 'image', '--', 'x'], { isInterspersed: false }).args, [
    'image',
    '--',
    'x',
  ]);
});

test('parseFlags() gives defaults, and says which flags were there', () => {
  const parsed = parseFlags(table, ['--net=x', '-t=false'], { isInterspersed: true });
  assert.deepEqual(
    [parsed.flags.swappiness, parsed.flags.proxy, parsed.flags.pull, parsed.flags.env],
    [-1, true, 'missing', []],
  );
  assert.deepEqual([...parsed.given], ['network', 'tty']);
});

const mistakes: readonly (readonly [readonly string[], string, string?])[] = [
  [['--foo'], 'unknown flag: --foo'],
  [['--detahc'], 'unknown flag: --detahc', 'Did you mean --detach?'],
  [['--netwrk=x'], 'unknown flag: --netwrk', 'Did you mean --network?'],
  [['--__proto__'], 'unknown flag: --__proto__'],
  [['--toString=x'], 'unknown flag: --toString'],
  [['-tx'], "unknown shorthand flag: 'x' in -tx"],
  [['--name'], 'flag needs an argument: --name'],
  [['-te'], "flag needs an argument: 'e' in -te"],
  [['-m', 'abc'], 'invalid argument "abc" for "-m, --memory" flag: invalid size: \'abc\''],
  [['--detach=maybe'], 'invalid argument "maybe" for "-d, --detach" flag: must be true or false'],
  [['--swappiness=1.5'], 'invalid argument "1.5" for "--swappiness" flag: must be a whole number'],
  [
    ['--wait', '5'],
    'invalid argument "5" for "--wait" flag: invalid duration \'5\': write it as 1h30m, 10s or 500ms',
  ],
  [
    ['--pull', 'x'],
    'invalid argument "x" for "--pull" flag: must be one of always, missing, never',
  ],
  [
    ['--name=a\x1b[31m', '--cpus=\x1b'],
    'invalid argument "\\u001b" for "--cpus" flag: \'\x1b\' is not a decimal number',
  ],
];

for (const [argv, message, hint] of mistakes) {
  test(`parseFlags() refuses ${JSON.stringify(argv)} in one sentence`, () => {
    assert.throws(
      () => parseFlags(table, argv, { isInterspersed: true }),
      (error: unknown) =>
        isUsageError(error) &&
        isEngineError(error) &&
        error.message === message &&
        error.hint === hint,
    );
  });
}

test('readEach() names the flag in an error of one of its values, and lets other errors through', () => {
  const read = (text: string): number => {
    if (text === 'bug') throw new TypeError('a bug');
    if (text === 'x') throw new EngineError('invalid', 'is not a number');
    return Number(text);
  };
  assert.deepEqual(readEach('--port', ['1', '2'], read), [1, 2]);
  assert.throws(
    () => readEach('--port', ['1', 'x'], read),
    (error: unknown) =>
      isUsageError(error) &&
      isEngineError(error) &&
      error.message === 'invalid argument "x" for "--port" flag: is not a number',
  );
  assert.throws(() => readEach('--port', ['bug'], read), TypeError);
});

test('usageError() keeps its hint', () => {
  assert.equal(usageError('a', { hint: 'b' }).hint, 'b');
});
