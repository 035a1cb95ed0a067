import { test } from 'node:test';
import assert from 'node:assert/strict';
import { silentLog } from '../base/log.ts';
import type { Chisel } from '../kernel/chisel.ts';
import type { PlanOp } from '../kernel/plan/op.ts';
import { parseAddress } from '../spec/cidr.ts';
import type { NetworkedEndpoint } from './fabric.ts';
import { KernelFabric } from './kernel-fabric.ts';

const SEAT: NetworkedEndpoint = {
  network: {
    id: 'ab'.repeat(32),
    name: 'web',
    driver: 'bridge',
    createdAtNs: 0n,
    isInternal: false,
    isAttachable: false,
    hasIpv4: true,
    hasIpv6: false,
    subnets: [],
    isPredefined: false,
    ipamOptions: {},
    options: {},
    labels: {},
  },
  endpoint: {
    id: 'e',
    networkId: 'ab'.repeat(32),
    networkName: 'web',
    interfaceName: 'eth0',
    hostLink: 'cv1',
    index: 2,
    mac: '02:00:00:00:00:01',
    ipv4: undefined,
    ipv6: undefined,
    isDefault4: false,
    isDefault6: false,
    names: [],
    ports: [
      {
        protocol: 'tcp',
        host: parseAddress('0.0.0.0'),
        hostPort: 8080,
        target: parseAddress('172.18.0.2'),
        targetPort: 80,
        isOpen: true,
      },
    ],
  },
};

test('release() takes back whatever can be, also when one of the tables cannot be changed', async () => {
  const plans: (readonly PlanOp[])[] = [];
  const chisel = {
    apply: async (plan: readonly PlanOp[]) => {
      plans.push(plan);
      return new Uint8Array(8);
    },
    openKeeper: () => assert.fail('no process'),
  } as unknown as Chisel;
  const engineId = '0'.repeat(32);
  const fabric = new KernelFabric({ chisel, runDir: '/run', engineId, log: silentLog });
  fabric.adopt('c', [SEAT]);
  assert.equal(fabric.holds('c'), true);
  await assert.rejects(fabric.release('c', true), /no process/);
  assert.equal(plans.flat().filter(({ op }) => op === 'netlink').length, 1, 'the published port');
  assert.equal(fabric.holds('c'), false);
});
