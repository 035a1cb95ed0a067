/**
 * What the name server tells of a container's ports (SRV): those that the image
 * or the user says it serves, found by their number, by the name that the port
 * is registered under, and by the service's name in compose. Pure.
 *
 * Source: RFC 2782; RFC 6335 and IANA's registry of service names.
 */

import type { ServedPort } from '../../network/dns/directory.ts';
import { formatContainerPort } from '../../spec/port.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { exposedPorts } from './shown.ts';

const COMPOSE_SERVICE = 'com.docker.compose.service';

/** Registered names of ports that containers serve most; a number finds every other. */
const REGISTERED: Readonly<Record<string, readonly string[]>> = {
  '22/tcp': ['ssh'],
  '25/tcp': ['smtp'],
  '53/tcp': ['domain'],
  '53/udp': ['domain'],
  '80/tcp': ['http'],
  '88/tcp': ['kerberos'],
  '88/udp': ['kerberos'],
  '110/tcp': ['pop3'],
  '143/tcp': ['imap'],
  '389/tcp': ['ldap'],
  '443/tcp': ['https'],
  '587/tcp': ['submission'],
  '636/tcp': ['ldaps'],
  '993/tcp': ['imaps'],
  '1883/tcp': ['mqtt'],
  '2049/tcp': ['nfs'],
  '3306/tcp': ['mysql'],
  '4222/tcp': ['nats'],
  '5060/tcp': ['sip'],
  '5060/udp': ['sip'],
  '5222/tcp': ['xmpp-client'],
  '5269/tcp': ['xmpp-server'],
  '5432/tcp': ['postgresql'],
  '5672/tcp': ['amqp'],
  '6379/tcp': ['redis'],
  '8080/tcp': ['http-alt'],
  '8883/tcp': ['secure-mqtt'],
  '11211/tcp': ['memcache'],
  '27017/tcp': ['mongodb'],
};

/** Ports with the names they are found by. */
export function servedPorts(
  record: Pick<ContainerRecord, 'config' | 'hostConfig'>,
): readonly ServedPort[] {
  const service = record.config.Labels?.[COMPOSE_SERVICE] ?? '';
  return exposedPorts(record).map((port) => ({
    ...port,
    services: [
      ...(REGISTERED[formatContainerPort(port)] ?? []),
      ...(service === '' ? [] : [service]),
    ],
  }));
}
