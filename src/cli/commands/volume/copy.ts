/** `carve volume clone` and `carve volume snapshot`. */

import { recordOfPairs } from '../../create/key-value.ts';
import { defineCommand, type Command } from '../../command.ts';

const args = { min: 1, max: 2, completes: 'volume' } as const;
const label = { kind: 'list', help: 'Set a label, KEY=VALUE' } as const;

/** A new volume with the same files. */
export const volumeCloneCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME [NEW-VOLUME]',
    details:
      'Blocks are shared until one of the two is written to, where the file system can; else the files are copied, holes, hard links and attributes with them.',
    flags: {
      label,
      pause: { kind: 'bool', help: 'Freeze the containers that use the volume meanwhile' },
    },
    args,
    examples: ['carve volume clone data data-test'],
  },
  async ({ client, io }, { flags, args: [name = '', newName = ''] }) => {
    const request = { Name: newName, Labels: recordOfPairs(flags.label), Pause: flags.pause };
    const { Name } = await client.volumes.clone(name, request);
    await io.stdout.write(`${Name}\n`);
  },
);

/** A copy that nobody can write to. */
export const volumeSnapshotCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME [SNAPSHOT]',
    details:
      'A snapshot is a volume that can be mounted, cloned and exported, and never written to. The containers that use the volume are frozen while it is made, so that its files are of one moment.',
    flags: {
      label,
      pause: { kind: 'bool', default: true, help: 'Freeze the containers that use the volume' },
    },
    args,
    examples: ['carve volume snapshot data', 'carve volume clone data-20261129-231500 data-again'],
  },
  async ({ client, io }, { flags, args: [name = '', newName = ''] }) => {
    const request = { Name: newName, Labels: recordOfPairs(flags.label), Pause: flags.pause };
    const { Name } = await client.volumes.snapshot(name, request);
    await io.stdout.write(`${Name}\n`);
  },
);
