/**
 * A container's files from outside: changes, export, and `cp` both ways.
 * Source: Engine API `/containers/{id}/{changes,export,archive}`.
 */

import { EngineError } from '../../base/error.ts';
import type { ContainerOperations } from '../engine.ts';
import type { EngineParts } from '../parts.ts';

/** The operations over `parts`. */
export function archiveOperations(
  parts: EngineParts,
): Pick<ContainerOperations, 'changes' | 'export' | 'statPath' | 'readArchive' | 'writeArchive'> {
  const refuse = (ref: string): never => {
    parts.containers.get(ref);
    throw new EngineError(
      'unsupported',
      'This version of carve cannot read or write files of containers from outside yet',
    );
  };
  return {
    changes: async (ref) => refuse(ref),
    export: async (ref) => refuse(ref),
    statPath: async (ref) => refuse(ref),
    readArchive: async (ref) => refuse(ref),
    writeArchive: async (ref) => refuse(ref),
  };
}
