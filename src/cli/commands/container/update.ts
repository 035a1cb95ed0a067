/** `carve update`. */

import { EngineError } from '../../../base/error.ts';
import { defineCommand, type Command } from '../../command.ts';
import { limitsFlags } from '../../create/flags-host.ts';
import { parseRestart } from '../../create/limits.ts';
import { prune } from '../../create/decode.ts';
import { readEach } from '../../flags/parse.ts';
import { forEachName } from '../../for-each.ts';
import { neutraliseCell } from '../../print/safe.ts';

const updateFlags = {
  memory: limitsFlags.memory,
  'memory-swap': limitsFlags['memory-swap'],
  'memory-reservation': limitsFlags['memory-reservation'],
  cpus: limitsFlags.cpus,
  'cpu-shares': limitsFlags['cpu-shares'],
  'cpu-period': limitsFlags['cpu-period'],
  'cpu-quota': limitsFlags['cpu-quota'],
  'cpu-rt-period': limitsFlags['cpu-rt-period'],
  'cpu-rt-runtime': limitsFlags['cpu-rt-runtime'],
  'cpuset-cpus': limitsFlags['cpuset-cpus'],
  'cpuset-mems': limitsFlags['cpuset-mems'],
  'pids-limit': limitsFlags['pids-limit'],
  'blkio-weight': limitsFlags['blkio-weight'],
  restart: {
    kind: 'string',
    help: 'Restart when it exits: no, always, unless-stopped, on-failure[:COUNT]',
  },
} as const;

/** Changes the limits of containers, running or not. */
export const updateCommand: Command = defineCommand(
  {
    synopsis: '[OPTIONS] CONTAINER [CONTAINER...]',
    flags: updateFlags,
    args: { min: 1, completes: 'container' },
    examples: [
      'carve update -m 1g --memory-swap 2g web',
      'carve update --restart unless-stopped web',
    ],
  },
  async ({ client, io }, { flags, given, args }) => {
    if (given.size === 0)
      throw new EngineError('invalid', 'Say what to update: give at least one flag');
    const [restart] = given.has('restart')
      ? readEach('--restart', [flags.restart], parseRestart)
      : [];
    const body = {
      ...prune({
        Memory: flags.memory,
        MemorySwap: flags['memory-swap'],
        MemoryReservation: flags['memory-reservation'],
        NanoCpus: flags.cpus,
        CpuShares: flags['cpu-shares'],
        CpuPeriod: flags['cpu-period'],
        CpuQuota: flags['cpu-quota'],
        CpuRealtimePeriod: flags['cpu-rt-period'],
        CpuRealtimeRuntime: flags['cpu-rt-runtime'],
        CpusetCpus: flags['cpuset-cpus'],
        CpusetMems: flags['cpuset-mems'],
        BlkioWeight: flags['blkio-weight'],
      }),
      // 0 takes the limit away.
      ...(given.has('pids-limit') ? { PidsLimit: flags['pids-limit'] } : {}),
      ...(restart === undefined ? {} : { RestartPolicy: restart }),
    };
    return await forEachName(io, args, async (name) => {
      const { Warnings } = await client.containers.update(name, body);
      for (const warning of Warnings ?? []) await io.stderr.write(`${neutraliseCell(warning)}\n`);
    });
  },
);
