/** What it means when the kernel does not give a container a port of the host. */

import { EngineError, isEngineError } from '../../base/error.ts';
import { portTaken, type HostPort } from '../../network/ports.ts';
import { isKernelFailure } from '../../kernel/plan/report.ts';
import { formatAddress, type Address } from '../../spec/cidr.ts';
import { formatContainerPort, portWishes } from '../../spec/port.ts';
import type { ContainerRecord } from '../containers/record.ts';

const PROTOCOLS: ReadonlyMap<number, HostPort['protocol']> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

/** The port that a start failed at; `undefined` when it failed at something else. */
export function portInUse(error: unknown): HostPort | undefined {
  const cause = isEngineError(error) ? error.cause : undefined;
  if (!isKernelFailure(cause) || cause.op?.op !== 'reserve-port') return undefined;
  const protocol = PROTOCOLS.get(cause.op.protocol);
  if (protocol === undefined) return undefined;
  return { protocol, host: addressOf(cause.op.address), hostPort: cause.op.port };
}

function addressOf(bytes: Uint8Array): Address {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 'ipv4' : 'ipv6', value };
}

/** The user named exactly this port. */
export function isFixed(record: ContainerRecord, port: HostPort): boolean {
  const wishes = portWishes({
    bindings: record.hostConfig.PortBindings ?? {},
    exposed: [],
    publishAll: false,
  });
  return wishes.some(
    ({ protocol, hostPorts: [first, last] }) =>
      protocol === port.protocol && first === port.hostPort && last === port.hostPort,
  );
}

/** The user's error of a port that the kernel did not give; `cause` says why. */
export function inUse(port: HostPort, cause: unknown): EngineError {
  const told = isEngineError(cause) ? cause.details['errno'] : undefined;
  const errno = typeof told === 'string' ? told : 'refused';
  const details = { exitCode: 125 };
  if (errno === 'EADDRINUSE') {
    const { message, kind } = portTaken(port, 'another program of the host');
    return new EngineError(kind, message, { cause, details });
  }
  const what = formatContainerPort({ port: port.hostPort, protocol: port.protocol });
  const address = formatAddress(port.host);
  const why = errno === 'EADDRNOTAVAIL' ? `the host does not have the address ${address}` : errno;
  return new EngineError('invalid', `Cannot publish host port ${what}: ${why}`, { cause, details });
}
