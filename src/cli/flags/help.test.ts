import { test } from 'node:test';
import assert from 'node:assert/strict';
import { formatHelp } from './help.ts';
import { findNearest } from './suggest.ts';

test('formatHelp() shows flags by group, sorted, with kinds, defaults and choices, wrapped to the width', () => {
  const text = formatHelp(
    {
      path: 'carve demo',
      synopsis: '[OPTIONS] THING',
      summary: 'Show how help looks',
      aliases: ['carve thing demo'],
      examples: ['carve demo x'],
      flags: {
        zeta: { kind: 'bool', short: 'z', help: 'Come last' },
        alpha: {
          kind: 'list',
          help: 'Come first, with a text that is long enough to be wrapped at the width',
        },
        pull: {
          kind: 'string',
          help: 'When to pull',
          default: 'missing',
          choices: ['always', 'missing'],
        },
        secret: { kind: 'bool', help: 'Not shown', isHidden: true },
        memory: { kind: 'bytes', short: 'm', help: 'Limit memory', group: 'Limits' },
      },
    },
    60,
  );
  assert.equal(
    text,
    `Usage:  carve demo [OPTIONS] THING

Show how help looks

Aliases:
  carve thing demo

Examples:
  carve demo x

Options:
      --alpha list    Come first, with a text that is long
                      enough to be wrapped at the width
      --pull string   When to pull (always, missing; default
                      missing)
  -z, --zeta          Come last

Limits:
  -m, --memory bytes   Limit memory
`,
  );
});

test('findNearest() finds a typing mistake, and nothing when nothing is near', () => {
  const names = ['run', 'rm', 'restart', 'rename', 'images', 'image'];
  for (const [word, nearest] of [
    ['rnu', 'run'],
    ['imgaes', 'images'],
    ['restrat', 'restart'],
    ['renam', 'rename'],
    ['xyz', undefined],
    ['completely', undefined],
  ] as const) {
    assert.equal(findNearest(word, names), nearest, word);
  }
});
