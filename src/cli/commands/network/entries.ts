/** The commands on networks, by name; loaded when they are called. */

import { as, type CommandEntry, leaf } from '../tree.ts';

/** Commands of `carve network`, in the order they are shown. */
export const networkEntries: readonly CommandEntry[] = [
  leaf(
    'connect',
    'Connect a container to a network',
    async () => (await import('./connect.ts')).networkConnectCommand,
  ),
  leaf('create', 'Make a network', async () => (await import('./create.ts')).networkCreateCommand),
  leaf(
    'disconnect',
    'Disconnect a container from a network',
    async () => (await import('./connect.ts')).networkDisconnectCommand,
  ),
  leaf(
    'exposure',
    'Show who reaches which port of which container',
    async () => (await import('./exposure.ts')).networkExposureCommand,
  ),
  leaf(
    'inspect',
    'Print all there is to know about networks',
    async () => (await import('./inspect.ts')).networkInspectCommand,
  ),
  as(
    leaf('ls', 'List networks', async () => (await import('./ls.ts')).networkLsCommand),
    'ls',
    { aliases: ['list'] },
  ),
  leaf(
    'prune',
    'Remove networks that nothing uses',
    async () => (await import('./prune.ts')).networkPruneCommand,
  ),
  as(
    leaf('rm', 'Remove networks', async () => (await import('./rm.ts')).networkRmCommand),
    'rm',
    { aliases: ['remove'] },
  ),
];
