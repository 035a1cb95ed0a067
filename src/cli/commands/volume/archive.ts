/** `carve volume export` and `carve volume import`. */

import { refuseTerminal, writeArchive } from '../../archive-output.ts';
import { defineCommand, type Command } from '../../command.ts';
import { recordOfPairs } from '../../create/key-value.ts';
import { openArchive } from '../../input-file.ts';

/** Writes the files of a volume as a tar archive. */
export const volumeExportCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME',
    flags: {
      output: {
        kind: 'string',
        short: 'o',
        help: 'Write to this file, not to standard output',
        completes: 'file',
      },
    },
    args: { min: 1, max: 1, completes: 'volume' },
    examples: ['carve volume export data | ssh other carve volume import data'],
  },
  async ({ client, io }, { flags, args: [name = ''] }) => {
    refuseTerminal(io, flags.output);
    await writeArchive(io, flags.output, await client.volumes.export(name));
  },
);

/** Makes a volume of the files of a tar archive. */
export const volumeImportCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] VOLUME [FILE|-]',
    flags: { label: { kind: 'list', help: 'Set a label, KEY=VALUE' } },
    args: { min: 1, max: 2 },
    examples: ['carve volume import data data.tar', 'carve volume import data < data.tar.zst'],
  },
  async ({ client, io }, { flags, args: [name = '', file = '-'] }) => {
    const archive = await openArchive(io, file);
    const labels = recordOfPairs(flags.label);
    const { Name } = await client.volumes.import({ name, labels }, archive);
    await io.stdout.write(`${Name}\n`);
  },
);
