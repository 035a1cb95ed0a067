/**
 * `load`: what an archive or layout directory means, and making images of it.
 * Understands `docker save` of every age (with and without the OCI layout) and
 * OCI layouts.
 *
 * **Invariant:** all images of an archive are unpacked before the first is
 * recorded; a failed load leaves no image and no content of its own.
 * Source: Docker image specification 1.2 "Combined Image JSON + Filesystem
 * Changeset Format"; OCI image-spec 1.1.1 image-layout.md; containerd's
 * `io.containerd.image.name`.
 */
import { EngineError } from '../base/error.ts';
import type { BlobInfo } from '../content/store.ts';
import { chainIds } from '../spec/digest.ts';
import { ANNOTATION, type Descriptor } from '../spec/oci/image.ts';
import {
  formatFamiliar,
  formatReference,
  parseReference,
  tryParseReference,
  withDefaultTag,
} from '../spec/reference.ts';
import { isPlatformMismatch, recordOf, resolveImage, unpackImage } from './add.ts';
import { ArchiveFiles, readArchive } from './archive.ts';
import { findDockerImages } from './docker-archive.ts';
import { checkImageCount, checkLayout, DOCUMENT_MAX_BYTES, parseTarget } from './documents.ts';
import { type FoundImage, type LoadContext, type LoadOptions, plain } from './found.ts';
import type { NewImage } from './decode-row.ts';
import type { NewName } from './image-table.ts';
import { blameInput } from '../layers/input-error.ts';
import type { ImageParts } from './parts.ts';
import type { LoadedImage } from './store.ts';
import { sweepLoaded } from './sweep.ts';

/** Load an archive. Errors: `invalid`, `corrupt`, `unsupported`, `not-found` when nothing fits the platform. */
export async function loadArchive(
  parts: ImageParts,
  source: AsyncIterable<Uint8Array>,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const lease = parts.content.lease('load');
  const files = new ArchiveFiles();
  const context = { parts, lease, options };
  try {
    await readArchive(context, source, files);
    return await storeFound(parts, await findImages(context, files), options);
  } catch (error) {
    throw blameInput(error);
  } finally {
    lease.release();
    await sweepLoaded(parts, files);
  }
}

/** Unpack and record what was found. */
export async function storeFound(
  parts: ImageParts,
  found: readonly FoundImage[],
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const pins = found.map(({ resolved }) =>
    parts.pins.pin(chainIds(resolved.config.rootfs.diff_ids)),
  );
  try {
    const images: NewImage[] = [];
    for (const { resolved } of found)
      images.push(await unpackImage(parts, resolved, { ...options, status: 'Loading layer' }));
    const names = found.flatMap(({ resolved, names: given, target }) =>
      given.map((name): NewName => ({ name, imageId: resolved.manifest.config.digest, target })),
    );
    parts.table.add(images, names, parts.nowMs());
    return found.map(({ resolved, names: given }) => ({
      image: recordOf(parts, resolved.manifest.config.digest),
      names: given.map((name) => formatFamiliar(parseReference(name))),
    }));
  } finally {
    for (const release of pins) release();
  }
}

async function findImages(
  context: LoadContext,
  files: ArchiveFiles,
): Promise<readonly FoundImage[]> {
  const { parts } = context;
  const archive = files.find('manifest.json');
  const index = files.find('index.json');
  const listed = index === undefined ? [] : await readIndex(parts, index);
  if (archive !== undefined) return await findDockerImages(context, files, listed);
  const layout = files.find('oci-layout');
  if (index === undefined || layout === undefined) throw notAnImage(files);
  checkLayout(await parts.content.read(layout.digest, DOCUMENT_MAX_BYTES));
  return await findListed(context, listed);
}

function notAnImage(files: ArchiveFiles): EngineError {
  const names = [...files.names()];
  const isRoot = names.some((name) => /^(?:etc|bin|usr)\//.test(name));
  return new EngineError(
    'invalid',
    'Cannot load archive: it has neither manifest.json nor an OCI layout',
    isRoot ? { hint: 'It looks like a root file system: use import' } : {},
  );
}

async function readIndex(parts: ImageParts, file: BlobInfo): Promise<readonly Descriptor[]> {
  const document = parseTarget(await parts.content.read(file.digest, DOCUMENT_MAX_BYTES), '');
  if (document.kind !== 'index')
    throw new EngineError('invalid', 'Cannot load archive: its index.json is not an image index');
  return document.index.manifests;
}

/** The images that an index.json lists. Errors: `not-found` when none fits the platform. */
export async function findListed(
  { parts, lease, options: { platform } }: LoadContext,
  listed: readonly Descriptor[],
): Promise<readonly FoundImage[]> {
  checkImageCount(listed.length, 'index.json');
  const found: FoundImage[] = [];
  let misfit: EngineError | undefined;
  for (const target of listed) {
    if (target.annotations?.[ANNOTATION.attestationType] !== undefined) continue;
    try {
      const resolved = await resolveImage({ parts, lease, target, platform });
      found.push({ resolved, target: plain(target), names: namesOfDescriptor(target) });
    } catch (error) {
      // One of several images may be for another machine; all of them may not.
      if (!isPlatformMismatch(error)) throw error;
      misfit ??= error;
    }
  }
  if (found.length > 0) return found;
  throw misfit ?? new EngineError('invalid', 'Cannot load archive: its index.json lists no image');
}

/** A full name, or a reference name that is one; a bare tag names nothing. */
function namesOfDescriptor({ annotations }: Descriptor): readonly string[] {
  const full = annotations?.[ANNOTATION.containerdImageName];
  const name = full ?? annotations?.[ANNOTATION.refName];
  if (name === undefined || (full === undefined && !/[:/]/.test(name))) return [];
  const reference = tryParseReference(name);
  return reference === undefined ? [] : [formatReference(withDefaultTag(reference))];
}
