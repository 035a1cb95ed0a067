/**
 * A container's /etc/passwd and /etc/group, without opening a path in its tree:
 * the image's texts were kept when it was unpacked; once the container has run
 * it may have changed them, and the runtime reads them below its root.
 *
 * Source: security matrix R11–R13.
 */

import type { CapturedPath } from '../../spec/layer.ts';
import type { RootSource } from '../../runtime/runtime.ts';
import type { EngineParts } from '../parts.ts';
import type { ContainerRecord } from './record.ts';

/** Largest file that is read, in bytes. */
export const USER_FILE_MAX_BYTES: number = 10 * 1024 * 1024;

/** Texts of the two files; empty when absent. */
export interface UserFiles {
  readonly passwd: string;
  readonly group: string;
}

/** Errors: of the runtime's `readFile`. */
export async function readUserFiles(
  parts: EngineParts,
  record: ContainerRecord,
  root: RootSource,
): Promise<UserFiles> {
  const [passwd, group] = await Promise.all([
    readOne(parts, record, { root, path: 'etc/passwd' }),
    readOne(parts, record, { root, path: 'etc/group' }),
  ]);
  return { passwd, group };
}

async function readOne(
  parts: EngineParts,
  record: ContainerRecord,
  file: { readonly root: RootSource; readonly path: CapturedPath },
): Promise<string> {
  const captured = parts.images.find(record.imageId)?.captured[file.path];
  if (record.state.startedAtNs === 0n && captured !== undefined) {
    if (captured.kind === 'text') return captured.text;
    if (captured.kind !== 'elsewhere') return '';
  }
  const bytes = await parts.runtime.readFile(file.root, `/${file.path}`, USER_FILE_MAX_BYTES);
  return bytes === undefined ? '' : new TextDecoder().decode(bytes);
}
