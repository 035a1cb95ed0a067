/** Netlink operations on the real kernel: acknowledgements, errors, queries, patched descriptors. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLONE } from '../../src/kernel/plan/flags.ts';
import type { Plan, PlanOp } from '../../src/kernel/plan/op.ts';
import { PlanFixture } from './plan-fixture.ts';

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_DUMP = 0x300;

/** An rtnetlink request about the link `index`. */
function linkRequest(
  type: number,
  flags: number,
  link: { readonly index: number; readonly up?: boolean; readonly attributes?: Buffer },
): Buffer {
  const attributes = link.attributes ?? Buffer.of();
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32LE(32 + attributes.length, 0);
  bytes.writeUInt16LE(type, 4);
  bytes.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  bytes.writeUInt32LE(1, 8);
  bytes.writeInt32LE(link.index, 20);
  bytes.writeUInt32LE(link.up === true ? 1 : 0, 24);
  bytes.writeUInt32LE(link.up === true ? 1 : 0, 28);
  return Buffer.concat([bytes, attributes]);
}

const netlink = (messages: Uint8Array, patches: Uint8Array = Buffer.of(), ignore = 0): PlanOp => ({
  op: 'netlink',
  slot: 0,
  messages,
  patches,
  ignore,
});
const ownNet: Plan = [
  { op: 'unshare', flags: CLONE.CLONE_NEWNET },
  { op: 'netlink-open', slot: 0, protocol: 0 },
];

test('netlink sets a link up in a new network namespace, and a query sees it', async () => {
  await using fixture = await PlanFixture.create();
  const query: PlanOp = {
    op: 'netlink-query',
    slot: 0,
    message: linkRequest(RTM_GETLINK, NLM_F_DUMP, { index: 0 }),
    maxBytes: 65536,
  };
  const up = linkRequest(RTM_NEWLINK, NLM_F_ACK, { index: 1, up: true });
  const [before, after] = await fixture.apply([...ownNet, query, netlink(up), query]);
  const flagsOf = (bytes: Buffer | undefined): number => bytes?.readUInt32LE(24) ?? -1;
  assert.equal(flagsOf(before?.bytes) & 1, 0);
  assert.equal(flagsOf(after?.bytes) & 1, 1);
  const [one, none, cut] = await fixture.apply([
    ...ownNet,
    { ...query, message: linkRequest(RTM_GETLINK, 0, { index: 1 }) } as PlanOp,
    { ...query, message: linkRequest(RTM_GETLINK, 0, { index: 99 }) } as PlanOp,
    { ...query, maxBytes: 100 } as PlanOp,
  ]);
  assert.equal(one?.bytes.readInt32LE(20), 1);
  assert.deepEqual([none?.errno, cut?.errno], [19, 27], 'ENODEV, EFBIG');
});

test('the first error of several messages is the operation’s, unless it is to be ignored', async () => {
  await using fixture = await PlanFixture.create();
  const up = linkRequest(RTM_NEWLINK, NLM_F_ACK, { index: 1, up: true });
  const bad = linkRequest(RTM_NEWLINK, NLM_F_ACK, { index: 77, up: true });
  assert.match(
    await fixture.failure([...ownNet, netlink(Buffer.concat([up, bad, up]))]),
    /^2 ENODEV sendmsg/,
  );
  await fixture.apply([
    ...ownNet,
    netlink(Buffer.concat([up, bad, up]), Buffer.of(), 19),
    netlink(up),
  ]);
  assert.match(
    await fixture.failure([...ownNet, netlink(Buffer.from('short'))]),
    /^2 EINVAL sendmsg/,
  );
  const many = Buffer.concat(Array.from({ length: 20_000 }, () => up));
  await fixture.apply([...ownNet, netlink(many)]);
});

test('a patch puts the number of a descriptor into a message: a link moves to another namespace', async () => {
  await using fixture = await PlanFixture.create();
  const attribute = (type: number, payload: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(payload.length + 4, 0);
    head.writeUInt16LE(type, 2);
    return Buffer.concat([head, payload, Buffer.alloc((4 - (payload.length % 4)) % 4)]);
  };
  // IFLA_IFNAME 3, IFLA_LINKINFO 18 { IFLA_INFO_KIND 1 }, IFLA_NET_NS_FD 28
  const attributes = Buffer.concat([
    attribute(28, Buffer.alloc(4)),
    attribute(3, Buffer.from('carvetest0\0')),
    attribute(18, attribute(1, Buffer.from('veth'))),
  ]);
  const create = linkRequest(RTM_NEWLINK, NLM_F_ACK | 0x600, { index: 0, attributes });
  const patches = Buffer.from(Uint32Array.of(36, 1).buffer);
  const query: PlanOp = {
    op: 'netlink-query',
    slot: 2,
    message: linkRequest(RTM_GETLINK, NLM_F_DUMP, { index: 0 }),
    maxBytes: 65536,
  };
  const [links] = await fixture.apply([
    ...ownNet,
    { op: 'unshare', flags: CLONE.CLONE_NEWNET },
    { op: 'open', slot: 1, path: '/proc/self/ns/net', flags: 0 },
    { op: 'netlink-open', slot: 2, protocol: 0 },
    netlink(create, patches),
    query,
  ]);
  assert.ok(links?.bytes.includes('carvetest0') === true);
  const wrong: Plan = [...ownNet, netlink(create, Buffer.from(Uint32Array.of(4000, 0).buffer))];
  assert.match(await fixture.failure(wrong), /^2 EINVAL sendmsg/);
});
