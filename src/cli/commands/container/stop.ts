/** `carve stop` and `carve restart`. */

import type { StopOptions } from '../../../client/containers.ts';
import { defineCommand, type Command } from '../../command.ts';
import type { FlagTable, FlagValues } from '../../flags/table.ts';
import { forEachName } from '../../for-each.ts';

const stopFlags = {
  signal: { kind: 'string', short: 's', help: 'Send this signal first', completes: 'signal' },
  timeout: { kind: 'int', short: 't', help: 'Wait so many seconds before killing; -1 for ever' },
  time: { kind: 'int', help: '', isHidden: true, aliasOf: 'timeout' },
} as const satisfies FlagTable;

const spec = {
  synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
  flags: stopFlags,
  args: { min: 1, completes: 'running-container' },
} as const;

function stopOptions(flags: FlagValues<typeof stopFlags>, given: ReadonlySet<string>): StopOptions {
  return {
    signalName: flags.signal === '' ? undefined : flags.signal,
    timeoutSeconds: given.has('timeout') ? flags.timeout : undefined,
  };
}

/** Stops containers, all at the same time. */
export const stopCommand: Command = defineCommand(spec, ({ client, io }, { flags, given, args }) =>
  forEachName(io, args, async (name) => {
    await client.containers.stop(name, stopOptions(flags, given));
  }),
);

/** Stops and starts containers, all at the same time. */
export const restartCommand: Command = defineCommand(
  { ...spec, args: { min: 1, completes: 'container' } },
  ({ client, io }, { flags, given, args }) =>
    forEachName(io, args, (name) => client.containers.restart(name, stopOptions(flags, given))),
);
