/**
 * A container's files from outside: changes, export, and `cp` both ways.
 * Source: Engine API `/containers/{id}/{changes,export,archive}`.
 */

import { Readable } from 'node:stream';
import { EngineError } from '../../base/error.ts';
import { listChanges, planTar, writeTar } from '../../layers/diff.ts';
import { DEFAULT_ROOT } from '../../spec/layer.ts';
import type { ContainerOperations, OperationOptions } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { announce } from './announce.ts';
import type { Container } from './container.ts';
import { rootOf } from './prepare-launch.ts';
import { stubsOf } from './stubs.ts';

/** Docker's numbers. Source: Engine API `ChangeType`. */
const KIND = { modified: 0, added: 1, deleted: 2 } as const;

type ArchiveOperations = Pick<
  ContainerOperations,
  'changes' | 'export' | 'statPath' | 'readArchive' | 'writeArchive'
>;

/** The operations over `parts`. */
export function archiveOperations(parts: EngineParts): ArchiveOperations {
  const refuse = (ref: string): never => {
    parts.containers.get(ref);
    throw new EngineError(
      'unsupported',
      'This version of carve cannot copy files into or out of containers yet',
    );
  };
  return {
    changes: async (ref) => changesOf(parts, parts.containers.get(ref)),
    export: async (ref, options) => exportTree(parts, parts.containers.get(ref), options),
    statPath: async (ref) => refuse(ref),
    readArchive: async (ref) => refuse(ref),
    writeArchive: async (ref) => refuse(ref),
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
  const bytes = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* writeTar(planned, walk);
    } finally {
      await walk.close();
    }
  };
  return Readable.from(bytes(), { objectMode: false });
}
