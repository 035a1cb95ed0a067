/** The commands on volumes, by name; loaded when they are called. */

import { as, type CommandEntry, leaf } from '../tree.ts';

/** Commands of `carve volume`, in the order they are shown. */
export const volumeEntries: readonly CommandEntry[] = [
  leaf(
    'clone',
    'Make a volume with the files of another one',
    async () => (await import('./copy.ts')).volumeCloneCommand,
  ),
  leaf('create', 'Make a volume', async () => (await import('./create.ts')).volumeCreateCommand),
  leaf(
    'export',
    'Write the files of a volume as a tar archive',
    async () => (await import('./archive.ts')).volumeExportCommand,
  ),
  leaf(
    'import',
    'Make a volume of the files of a tar archive',
    async () => (await import('./archive.ts')).volumeImportCommand,
  ),
  leaf(
    'inspect',
    'Print all there is to know about volumes',
    async () => (await import('./inspect.ts')).volumeInspectCommand,
  ),
  as(
    leaf('ls', 'List volumes', async () => (await import('./ls.ts')).volumeLsCommand),
    'ls',
    { aliases: ['list'] },
  ),
  leaf(
    'prune',
    'Remove volumes that no container has',
    async () => (await import('./prune.ts')).volumePruneCommand,
  ),
  leaf(
    'rename',
    'Give a volume another name',
    async () => (await import('./rename.ts')).volumeRenameCommand,
  ),
  as(
    leaf('rm', 'Remove volumes', async () => (await import('./rm.ts')).volumeRmCommand),
    'rm',
    { aliases: ['remove'] },
  ),
  leaf(
    'snapshot',
    'Make a copy of a volume that nobody can write to',
    async () => (await import('./copy.ts')).volumeSnapshotCommand,
  ),
];
