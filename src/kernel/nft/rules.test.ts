import { test } from 'node:test';
import assert from 'node:assert/strict';
import { be64, encodeMessages, text, type Message } from '../netlink/message.ts';
import * as expression from './expression.ts';
import { addChain, addRule } from './message.ts';
import { decodeRules } from './rules.ts';

const at = { family: 'ipv4', table: 'filter' } as const;

/** A request to add a rule, as the kernel tells of it. */
function told(handle: bigint, ...expressions: readonly expression.Expression[]): Message {
  const asked = addRule(at, 'c', expressions);
  return { ...asked, attributes: [...asked.attributes, [3, be64(handle)]] };
}

const ANSWER = encodeMessages([
  addChain(at, 'c'),
  told(
    7n,
    expression.meta('oifname'),
    expression.compare('neq', text('br-1')),
    expression.counter(),
    expression.verdict({ kind: 'jump', chain: 'there' }),
  ),
  told(
    8n,
    expression.meta('iifname'),
    expression.compare('eq', new TextEncoder().encode('br-')),
    expression.meta('l4proto'),
    expression.compare('eq', Uint8Array.of(6)),
    expression.verdict({ kind: 'return' }),
  ),
  told(9n, expression.immediate(8, Uint8Array.of(1)), expression.verdict({ kind: 'drop' })),
]);

test('decodeRules() reads links, prefixes and verdicts, and names the rest', () => {
  assert.deepEqual(decodeRules(ANSWER), [
    {
      chain: 'c',
      handle: 7n,
      steps: [
        { kind: 'link', end: 'oifname', operator: 'neq', link: 'br-1', isPrefix: false },
        { kind: 'other', name: 'counter' },
        { kind: 'verdict', verdict: 'jump', chain: 'there' },
      ],
    },
    {
      chain: 'c',
      handle: 8n,
      steps: [
        { kind: 'link', end: 'iifname', operator: 'eq', link: 'br-', isPrefix: true },
        { kind: 'other', name: 'meta' },
        { kind: 'other', name: 'cmp' },
        { kind: 'verdict', verdict: 'return', chain: '' },
      ],
    },
    {
      chain: 'c',
      handle: 9n,
      steps: [
        { kind: 'other', name: 'immediate' },
        { kind: 'verdict', verdict: 'drop', chain: '' },
      ],
    },
  ]);
});

test('decodeRules() leaves out what is not wanted', () => {
  assert.equal(decodeRules(ANSWER, (chain) => chain === 'c').length, 3);
  assert.deepEqual(
    decodeRules(ANSWER, (chain) => chain !== 'c'),
    [],
  );
});

test('decodeRules() reads whole rules of an answer that is cut off anywhere, and nothing more', () => {
  const whole = decodeRules(ANSWER);
  for (let length = 0; length < ANSWER.length; length += 1) {
    const found = decodeRules(ANSWER.subarray(0, length));
    assert.deepEqual(found, whole.slice(0, found.length), String(length));
    assert.ok(found.length < whole.length, String(length));
  }
});
