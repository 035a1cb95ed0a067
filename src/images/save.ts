/**
 * `save`: an archive that `docker load` and OCI tools both read. Blobs go out
 * as they are stored, so every digest stays.
 *
 *     blobs/sha256/<hex>   manifests, configurations, layers
 *     index.json           one entry a name
 *     manifest.json        Docker's list
 *     oci-layout, repositories
 *
 * **Invariant:** the same images give the same bytes; every blob is verified
 * while it goes out, and a damaged one breaks the stream off.
 * Source: OCI image-spec 1.1.1 image-layout.md; Docker image specification 1.2.
 */
import type { Digest } from '../base/brand.ts';
import { encodeTarHeader, TAR_END, tarPadding } from '../layers/tar-write.ts';
import { splitDigest } from '../spec/digest.ts';
import { MEDIA_TYPE } from '../spec/media-type.ts';
import {
  ANNOTATION,
  type Descriptor,
  type DockerArchiveItem,
  type ImageIndex,
} from '../spec/oci/image.ts';
import {
  familiarRepository,
  formatFamiliar,
  parseReference,
  repositoryOf,
  tryParseReference,
} from '../spec/reference.ts';
import { getImage, isIdReference, noSuchImage } from './find.ts';
import type { ImageParts } from './parts.ts';
import type { ImageOptions, ImageRecord } from './store.ts';

/** An image and the full names it is saved under. */
interface SavedImage {
  readonly image: ImageRecord;
  readonly names: readonly string[];
}

/** The archive. Errors before the first byte: `not-found`; later: `corrupt`. */
export function saveImages(
  parts: ImageParts,
  references: readonly string[],
  options: ImageOptions,
): AsyncIterable<Uint8Array> {
  const saved = collectImages(parts, references);
  return writeArchive(parts, saved, options);
}

/** A name without a tag means all tags of its repository, as Docker takes it. */
function collectImages(parts: ImageParts, references: readonly string[]): readonly SavedImage[] {
  const names = new Map<Digest, Set<string>>();
  const add = (id: Digest, name: string | undefined): void => {
    const set = names.get(id) ?? new Set();
    if (name !== undefined) set.add(name);
    names.set(id, set);
  };
  for (const reference of references) {
    const all = allTagsOf(parts, reference);
    if (all.length > 0) {
      for (const { name, imageId } of all) add(imageId, name);
      continue;
    }
    const image = getImage(parts.table, reference, undefined);
    const name = isIdReference(image, reference) ? undefined : nameOf(reference, image);
    add(image.id, name);
  }
  return [...names].map(([id, set]) => ({
    image: getImage(parts.table, id, undefined),
    names: [...set].toSorted(),
  }));
}

function allTagsOf(
  parts: ImageParts,
  reference: string,
): readonly { readonly name: string; readonly imageId: Digest }[] {
  const parsed = tryParseReference(reference);
  if (parsed === undefined || parsed.tag !== undefined || parsed.digest !== undefined) return [];
  const prefix = `${repositoryOf(parsed)}:`;
  return [...parts.table.names()].filter(
    ({ name }) => name.startsWith(prefix) && !name.includes('@'),
  );
}

function nameOf(reference: string, image: ImageRecord): string | undefined {
  const parsed = parseReference(reference);
  if (parsed.digest !== undefined) return undefined;
  return image.tags.find((tag) => formatFamiliar(parseReference(tag)) === formatFamiliar(parsed));
}

async function* writeArchive(
  parts: ImageParts,
  saved: readonly SavedImage[],
  options: ImageOptions,
): AsyncGenerator<Uint8Array> {
  const lease = parts.content.lease('save');
  try {
    const blobs = new Map<Digest, number>();
    for (const { image } of saved) {
      for (const { digest, size } of [image.manifest, image.configDescriptor, ...image.layers]) {
        blobs.set(digest, size);
        lease.add(digest);
      }
    }
    checkPresent(parts, saved);
    yield* directories(blobs.keys());
    for (const [digest, sizeBytes] of [...blobs].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      options.signal?.throwIfAborted();
      yield encodeTarHeader({ type: 'file', path: blobPath(digest), mode: 0o644, sizeBytes });
      yield* parts.content.get(digest, { sizeBytes });
      yield tarPadding(sizeBytes);
    }
    yield* document('index.json', indexOf(saved));
    yield* document('manifest.json', saved.map(archiveItemOf));
    yield* document('oci-layout', { imageLayoutVersion: '1.0.0' });
    const repositories = repositoriesOf(saved);
    if (Object.keys(repositories).length > 0) yield* document('repositories', repositories);
    yield TAR_END;
  } finally {
    lease.release();
  }
}

/** An image may have gone between its lookup and the lease. Errors: `not-found`. */
function checkPresent(parts: ImageParts, saved: readonly SavedImage[]): void {
  const gone = saved.find(({ image }) => parts.table.get(image.id) === undefined);
  if (gone === undefined) return;
  const [name] = gone.names;
  throw noSuchImage(name === undefined ? gone.image.id : formatFamiliar(parseReference(name)));
}

function* directories(digests: Iterable<Digest>): Generator<Uint8Array> {
  const algorithms = new Set([...digests].map((digest) => splitDigest(digest).algorithm));
  for (const path of ['blobs', ...[...algorithms].toSorted().map((name) => `blobs/${name}`)])
    yield encodeTarHeader({ type: 'directory', path, mode: 0o755 });
}

function* document(path: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
  yield encodeTarHeader({ type: 'file', path, mode: 0o644, sizeBytes: bytes.length });
  yield bytes;
  yield tarPadding(bytes.length);
}

function blobPath(digest: Digest): string {
  const { algorithm, hex } = splitDigest(digest);
  return `blobs/${algorithm}/${hex}`;
}

function indexOf(saved: readonly SavedImage[]): ImageIndex {
  const manifests = saved.flatMap(({ image, names }): readonly Descriptor[] => {
    const { os, architecture, variant } = image.platform;
    const descriptor = {
      ...image.manifest,
      platform: { architecture, os, ...(variant === undefined ? {} : { variant }) },
    };
    if (names.length === 0) return [descriptor];
    return names.map((name) => ({
      ...descriptor,
      annotations: {
        [ANNOTATION.containerdImageName]: name,
        [ANNOTATION.refName]: parseReference(name).tag ?? '',
      },
    }));
  });
  return { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests };
}

function archiveItemOf({ image, names }: SavedImage): DockerArchiveItem {
  return {
    Config: blobPath(image.id),
    RepoTags: names.length === 0 ? null : names.map((name) => formatFamiliar(parseReference(name))),
    Layers: image.layers.map(({ digest }) => blobPath(digest)),
  };
}

/** Repository → tag → hex id; only readers from before 2014 look at it. */
function repositoriesOf(
  saved: readonly SavedImage[],
): Readonly<Record<string, Readonly<Record<string, string>>>> {
  const repositories: Record<string, Record<string, string>> = {};
  for (const { image, names } of saved) {
    for (const name of names) {
      const reference = parseReference(name);
      const top = image.layers.at(-1)?.digest ?? image.id;
      (repositories[familiarRepository(reference)] ??= {})[reference.tag ?? ''] =
        splitDigest(top).hex;
    }
  }
  return repositories;
}
