/**
 * From what people type to an image: full id, name, `name@digest`, id prefix,
 * in that order. Pure lookups over the table.
 *
 * **Invariant:** a reference with a digest is answered by the digest only; a tag
 * that stands beside it never decides.
 * Source: Engine API facts 1.3, 5.9; docs/security.md row I11.
 */
import { EngineError } from '../base/error.ts';
import { digestFromHex, isDigest } from '../spec/digest.ts';
import { formatPlatform, type Platform, rankPlatform } from '../spec/platform.ts';
import {
  formatFamiliar,
  formatReference,
  parseReference,
  repositoryOf,
  tryParseReference,
  withDefaultTag,
} from '../spec/reference.ts';
import type { ImageTable } from './image-table.ts';
import type { ImageRecord } from './store.ts';

const ID_PREFIX = /^(?:sha256:)?([a-f0-9]{1,64})$/;

/** The image, `undefined` when there is none. Errors: `invalid` for a prefix that fits several. */
export function findImage(table: ImageTable, reference: string): ImageRecord | undefined {
  const id = isDigest(reference) ? reference : digestFromHex(reference);
  if (id !== undefined) return table.get(id);
  return byName(table, reference) ?? byPrefix(table, reference);
}

/** As {@link findImage}. Errors: `not-found` in the words clients know; `invalid` for what is no name. */
export function getImage(
  table: ImageTable,
  reference: string,
  platform: Platform | undefined,
): ImageRecord {
  const image = findImage(table, reference);
  if (image === undefined) {
    // Says what is wrong with it.
    if (!ID_PREFIX.test(reference)) parseReference(reference);
    throw noSuchImage(reference);
  }
  if (platform !== undefined && rankPlatform(image.platform, platform) === undefined) {
    throw new EngineError(
      'not-found',
      `image with reference ${reference} was found but does not match the specified platform: wanted ${formatPlatform(platform)}, actual: ${formatPlatform(image.platform)}`,
    );
  }
  return image;
}

/** `No such image: debian:latest`: Docker's words, which clients match on. */
export function noSuchImage(reference: string): EngineError {
  const parsed = tryParseReference(reference);
  const name =
    parsed === undefined || reference.startsWith('sha256:')
      ? reference
      : formatFamiliar(withDefaultTag(parsed));
  return new EngineError('not-found', `No such image: ${name.slice(0, 300)}`);
}

/** True when a reference names an image by its id or a prefix of it, as opposed to a name. */
export function isIdReference(image: ImageRecord, reference: string): boolean {
  const hex = ID_PREFIX.exec(reference)?.[1];
  return hex !== undefined && image.id.startsWith(`sha256:${hex}`);
}

function byName(table: ImageTable, reference: string): ImageRecord | undefined {
  const name = fullNameOf(reference);
  const id = name === undefined ? undefined : table.byName(name);
  return id === undefined ? undefined : table.get(id);
}

/** The full name that text stands for, `latest` and the default registry filled in; `undefined` when it is none. */
export function fullNameOf(reference: string): string | undefined {
  const parsed = tryParseReference(reference);
  if (parsed === undefined) return undefined;
  if (parsed.digest !== undefined) return `${repositoryOf(parsed)}@${parsed.digest}`;
  return formatReference(withDefaultTag(parsed));
}

function byPrefix(table: ImageTable, reference: string): ImageRecord | undefined {
  const hex = ID_PREFIX.exec(reference)?.[1];
  if (hex === undefined) return undefined;
  const found = [...table.ids()].filter((id) => id.startsWith(`sha256:${hex}`));
  if (found.length > 1)
    throw new EngineError(
      'invalid',
      `Cannot find image ${reference}: the prefix fits ${found.length} images`,
    );
  const [id] = found;
  return id === undefined ? undefined : table.get(id);
}
