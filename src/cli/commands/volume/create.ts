/** `carve volume create`. */

import { recordOfPairs } from '../../create/key-value.ts';
import { defineCommand, type Command } from '../../command.ts';
import { usageError } from '../../flags/usage-error.ts';

/** Makes a volume, or says that it is there. */
export const volumeCreateCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] [VOLUME]',
    details:
      'Without a name the volume gets one of 64 hex digits.\n\nOptions of the driver: `size` bounds the volume where the file system keeps project quotas; `type`, `device` and `o` are the arguments of mount(8): the volume is then mounted where a container uses it, and nowhere else.',
    examples: [
      'carve volume create data',
      'carve volume create -o type=nfs -o o=addr=10.0.0.2,rw -o device=:/srv data',
      'carve volume create -o type=none -o o=bind -o device=/srv/data data',
      'carve volume create -o size=10g data',
    ],
    flags: {
      driver: { kind: 'string', short: 'd', default: 'local', help: 'Name of the driver' },
      label: { kind: 'list', help: 'Set a label, KEY=VALUE' },
      name: { kind: 'string', help: 'Name of the volume' },
      opt: { kind: 'list', short: 'o', help: 'Set an option of the driver, KEY=VALUE' },
    },
    args: { min: 0, max: 1 },
  },
  async ({ client, io }, { flags, args }) => {
    const [given = ''] = args;
    if (given !== '' && flags.name !== '')
      throw usageError('conflicting options: either --name or the argument names the volume');
    const { Name } = await client.volumes.create({
      Name: given === '' ? flags.name : given,
      Driver: flags.driver,
      DriverOpts: recordOfPairs(flags.opt),
      Labels: recordOfPairs(flags.label),
    });
    await io.stdout.write(`${Name}\n`);
  },
);
