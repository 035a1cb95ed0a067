/** Ports of the host as plan operations. Pure. */

import type { PlanOp } from '../../kernel/plan/op.ts';
import { addressBytes } from '../../spec/cidr.ts';
import type { EndpointPort } from '../endpoint.ts';
import { PROTOCOL } from '../publish.ts';
import { REACH, relayReach } from '../way.ts';

/** Keep a port for the container that is about to start, and say what its monitor relays. */
export function reservePort(port: EndpointPort): PlanOp {
  const reach = relayReach(port);
  return {
    op: 'reserve-port',
    protocol: PROTOCOL[port.protocol],
    address: addressBytes(port.host),
    port: port.hostPort,
    reach: REACH[reach],
    target: reach === 'none' ? new Uint8Array() : addressBytes(port.target),
    targetPort: reach === 'none' ? 0 : port.targetPort,
  };
}
