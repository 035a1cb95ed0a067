import { test } from 'node:test';
import assert from 'node:assert/strict';
import { daemonFlags } from './flags.ts';

test("daemonFlags() takes Go's spellings of a boolean, and all that can be switched off is on by default", () => {
  assert.equal(daemonFlags([]).hasIptables, true);
  assert.equal(daemonFlags([]).hasConnectHook, true);
  assert.equal(daemonFlags(['--connect-hook=0']).hasConnectHook, false);
  for (const word of ['false', '0', 'F'])
    assert.equal(daemonFlags([`--iptables=${word}`]).hasIptables, false);
  for (const word of ['true', '1', 'T'])
    assert.equal(daemonFlags(['--iptables', word]).hasIptables, true);
  assert.throws(() => daemonFlags(['--iptables=no']), {
    kind: 'invalid',
    message: '--iptables "no" is neither true nor false',
  });
});
