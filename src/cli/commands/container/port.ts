/** `carve port`. */

import { EngineError } from '../../../base/error.ts';
import type { PortBinding } from '../../../spec/docker/container.ts';
import { defineCommand, type Command } from '../../command.ts';
import { neutraliseCell } from '../../print/safe.ts';
import { compareNatural } from '../../print/natural.ts';
import { hostPort } from '../../print/ports.ts';

/** Lists where the ports of a container are published, or where one of them is. */
export const portCommand: Command = defineCommand(
  {
    synopsis: 'CONTAINER [PRIVATE_PORT[/PROTOCOL]]',
    flags: {},
    args: { min: 1, max: 2, completes: 'running-container' },
  },
  async ({ client, io }, { args }) => {
    const [ref = '', wanted] = args;
    const { Ports } = (await client.containers.inspect(ref)).NetworkSettings;
    const lines = wanted === undefined ? allLines(Ports) : linesOf(Ports, wanted, ref);
    const sorted = lines.toSorted(compareNatural);
    await io.stdout.write(sorted.map((line) => `${neutraliseCell(line)}\n`).join(''));
  },
);

type Ports = Readonly<Record<string, readonly PortBinding[] | null>>;

function allLines(ports: Ports): readonly string[] {
  return Object.entries(ports).flatMap(([key, bindings]) =>
    (bindings ?? []).map((binding) => `${key} -> ${addressOf(binding)}`),
  );
}

function linesOf(ports: Ports, wanted: string, ref: string): readonly string[] {
  const bindings = ports[portKey(wanted)] ?? [];
  if (bindings.length === 0) {
    throw new EngineError('not-found', `Error: No public port '${wanted}' published for ${ref}`);
  }
  return bindings.map(addressOf);
}

function portKey(text: string): string {
  const groups = /^(?<port>\d{1,5})(?:\/(?<protocol>[a-z]+))?$/i.exec(text)?.groups;
  if (groups === undefined)
    throw new EngineError('invalid', `Invalid port '${text}': write it as 80 or 80/udp`);
  return `${groups['port'] ?? ''}/${(groups['protocol'] ?? 'tcp').toLowerCase()}`;
}

function addressOf({ HostIp = '', HostPort = '' }: PortBinding): string {
  return hostPort(HostIp, HostPort);
}
