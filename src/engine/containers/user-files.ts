/**
 * A container's /etc/passwd and /etc/group, without opening a path in its tree:
 * the image's texts were kept when it was unpacked; once the container has run
 * it may have changed them, and the runtime reads them below its root.
 *
 * Source: security matrix R11–R13.
 */

import type { CapturedFile, CapturedPath } from '../../spec/layer.ts';
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
  const captured = capturedUserFiles(parts, record);
  if (captured !== undefined) return captured;
  const [passwd, group] = await Promise.all([
    readOne(parts, root, 'etc/passwd'),
    readOne(parts, root, 'etc/group'),
  ]);
  return { passwd, group };
}

/** Those of a container that never ran, when the image's are known as text; else `undefined`. */
export function capturedUserFiles(
  parts: EngineParts,
  record: ContainerRecord,
): UserFiles | undefined {
  const captured = parts.images.find(record.imageId)?.captured;
  if (captured === undefined || record.state.startedAtNs !== 0n) return undefined;
  const passwd = textOf(captured['etc/passwd']);
  const group = textOf(captured['etc/group']);
  return passwd === undefined || group === undefined ? undefined : { passwd, group };
}

function textOf(file: CapturedFile): string | undefined {
  if (file.kind === 'text') return file.text;
  return file.kind === 'elsewhere' ? undefined : '';
}

async function readOne(parts: EngineParts, root: RootSource, path: CapturedPath): Promise<string> {
  const bytes = await parts.runtime.readFile(root, `/${path}`, USER_FILE_MAX_BYTES);
  return bytes === undefined ? '' : new TextDecoder().decode(bytes);
}
