/**
 * `loadLayout`: an OCI layout directory of this machine. Only blobs that an
 * image needs are copied, each verified on the way in.
 *
 * **Invariant:** paths below the directory are made of checked digests; links
 * are not followed at the last component.
 * Source: OCI image-spec 1.1.1 image-layout.md.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../base/brand.ts';
import { EngineError, messageOf } from '../base/error.ts';
import { splitDigest } from '../spec/digest.ts';
import type { Descriptor } from '../spec/oci/image.ts';
import { chooseManifest, isPlatformMismatch } from './add.ts';
import { checkLayout, DOCUMENT_MAX_BYTES, parseTarget } from './documents.ts';
import type { LoadContext, LoadOptions } from './found.ts';
import { findListed, storeFound } from './load.ts';
import type { ImageParts } from './parts.ts';
import type { LoadedImage } from './store.ts';
import { sweep } from './sweep.ts';

/** What copying a layout works with. */
interface LayoutContext extends LoadContext {
  readonly directory: string;
  /** Digests of everything that was copied. */
  readonly copied: Digest[];
}

/** Load a layout. Errors: `not-found` when the directory is none, those of `loadArchive`. */
export async function loadLayoutDirectory(
  parts: ImageParts,
  directory: string,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  checkLayout(await readSmall(join(directory, 'oci-layout'), directory));
  const document = parseTarget(await readSmall(join(directory, 'index.json'), directory), '');
  if (document.kind !== 'index')
    throw new EngineError(
      'invalid',
      `Cannot load ${directory}: its index.json is not an image index`,
    );
  const lease = parts.content.lease(`load ${directory}`);
  const context: LayoutContext = { parts, lease, options, directory, copied: [] };
  try {
    for (const target of document.index.manifests) await copyImage(context, target);
    return await storeFound(parts, await findListed(context, document.index.manifests), options);
  } finally {
    lease.release();
    await sweep(parts, context.copied);
  }
}

/** Copy a manifest and its blobs; of an index only the image that would be used. */
async function copyImage(context: LayoutContext, target: Descriptor): Promise<void> {
  const {
    parts,
    options: { platform },
  } = context;
  await copyBlob(context, target);
  const bytes = await parts.content.read(target.digest, DOCUMENT_MAX_BYTES, {
    sizeBytes: target.size,
  });
  const document = parseTarget(bytes, target.mediaType);
  if (document.kind === 'manifest') {
    for (const blob of [document.manifest.config, ...document.manifest.layers])
      await copyBlob(context, blob);
    return;
  }
  try {
    await copyImage(context, chooseManifest(document.index, platform ?? parts.host));
  } catch (error) {
    // Whether anything fits is told once all are known.
    if (!isPlatformMismatch(error)) throw error;
  }
}

async function copyBlob(context: LayoutContext, { digest, size }: Descriptor): Promise<void> {
  const {
    parts,
    lease,
    options: { signal },
    directory,
    copied,
  } = context;
  const { algorithm, hex } = splitDigest(digest);
  const path = join(directory, 'blobs', algorithm, hex);
  copied.push(digest);
  await parts.content.put(readFile(path, directory), {
    digest,
    sizeBytes: size,
    lease,
    deferSync: true,
    ...(signal === undefined ? {} : { signal }),
  });
}

async function readSmall(path: string, directory: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of readFile(path, directory)) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > DOCUMENT_MAX_BYTES)
      throw new EngineError(
        'exhausted',
        `Cannot load ${directory}: ${path} is larger than ${DOCUMENT_MAX_BYTES} bytes`,
      );
  }
  return Buffer.concat(chunks);
}

async function* readFile(path: string, directory: string): AsyncGenerator<Uint8Array> {
  const file = await open(
    path,
    constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  ).catch((cause: unknown) => {
    throw new EngineError(
      'not-found',
      `Cannot load ${directory}: ${path} cannot be read (${messageOf(cause)})`,
      { cause },
    );
  });
  try {
    if (!(await file.stat()).isFile())
      throw new EngineError('invalid', `Cannot load ${directory}: ${path} is not a file`);
    for (;;) {
      const { bytesRead, buffer } = await file.read(
        Buffer.allocUnsafe(1024 * 1024),
        0,
        1024 * 1024,
        null,
      );
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
