/**
 * A container's files as a whole: what changed, and all of them.
 * Source: Engine API `/containers/{id}/{changes,export}`.
 */

import type { Readable } from 'node:stream';
import { listChanges, planTar, writeTar } from '../../layers/diff.ts';
import { DEFAULT_ROOT } from '../../spec/layer.ts';
import type { ContainerOperations, OperationOptions } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container } from './container.ts';
import { rootOf } from './prepare-launch.ts';
import { stubsOf } from './stubs.ts';
import { tarStream } from './tar-stream.ts';

/** Docker's numbers. Source: Engine API `ChangeType`. */
const KIND = { modified: 0, added: 1, deleted: 2 } as const;

type ArchiveOperations = Pick<ContainerOperations, 'changes' | 'export'>;

/** The operations over `parts`. */
export function archiveOperations(parts: EngineParts): ArchiveOperations {
  return {
    changes: async (ref) => changesOf(parts, parts.containers.get(ref)),
    export: async (ref, options) => exportTree(parts, parts.containers.get(ref), options),
  };
}

async function changesOf(
  parts: EngineParts,
  container: Container,
): ReturnType<ArchiveOperations['changes']> {
  const root = rootOf(parts, container.record);
  if (root.kind !== 'overlay') return [];
  const walk = await parts.trees.open({ directories: [root.upper], below: root.lower });
  try {
    const changes = listChanges(walk.entries, new Set(stubsOf(container.record)));
    return changes.map(({ path, kind }) => ({
      // Names are byte strings in a tree, text in JSON.
      Path: Buffer.from(path, 'latin1').toString('utf8'),
      Kind: KIND[kind],
    }));
  } finally {
    await walk.close();
  }
}

/** The whole root, what is mounted over it left out. */
async function exportTree(
  parts: EngineParts,
  container: Container,
  options: OperationOptions = {},
): Promise<Readable> {
  const root = rootOf(parts, container.record);
  const directories = root.kind === 'overlay' ? [root.upper, ...root.lower] : [root.path];
  const walk = await parts.trees.open({ directories, below: [], ...options });
  const planned = planTar(walk.entries, { exclude: new Set(), root: DEFAULT_ROOT });
  announce(parts, container, 'export');
  return tarStream(writeTar(planned, walk), async () => walk.close());
}
