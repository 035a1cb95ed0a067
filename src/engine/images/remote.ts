/** Pull and push with Docker's words. Source: Engine API `/images/create`, `/images/{name}/push`; engine-api facts 5.6. */

import { EngineError, isEngineError } from '../../base/error.ts';
import type { PulledImage, PullOptions } from '../../images/remote.ts';
import type { ImageProgress, ImageRecord } from '../../images/store.ts';
import { parsePlatform } from '../../spec/platform.ts';
import {
  familiarRepository,
  formatFamiliar,
  formatReference,
  parseReference,
  repositoryOf,
  type Reference,
} from '../../spec/reference.ts';
import type { ImageOperations } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { getFor } from './get-for.ts';
import { streamProgress } from './progress.ts';

type Announce = (action: string, image: { readonly id: string; readonly name: string }) => void;

/** Pull: the progress of every layer, then digest and status. */
export function pullOperation(parts: EngineParts, announce: Announce): ImageOperations['pull'] {
  return (text, options) => {
    const given = parseReference(text);
    const platform =
      options.platform === undefined || options.platform === ''
        ? undefined
        : parsePlatform(options.platform, parts.host.platform);
    const request: PullRequest = {
      credentials: parts.remote.decodeAuth(options.auth),
      ...(platform === undefined ? {} : { platform }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    };
    return streamProgress(async (onProgress) => {
      const wanted = await wantedReferences(parts, given, request);
      let isUpToDate = true;
      for (const reference of wanted) {
        const pulled = await pullOne(parts, { ...request, reference }, onProgress);
        onProgress({ status: `Digest: ${pulled.digest}` });
        isUpToDate &&= pulled.isUpToDate;
      }
      const name = formatFamiliar(given);
      announce('pull', { id: name, name: familiarRepository(given) });
      const status = isUpToDate
        ? `Image is up to date for ${name}`
        : `Downloaded newer image for ${name}`;
      return [{ status: `Status: ${status}` }];
    });
  };
}

type PullRequest = Omit<PullOptions, 'reference' | 'onProgress'>;

/** A bare name stands for every tag of the repository. */
async function wantedReferences(
  parts: EngineParts,
  given: Reference,
  { credentials, signal }: PullRequest,
): Promise<readonly Reference[]> {
  if (given.tag !== undefined || given.digest !== undefined) return [given];
  const question = { reference: given, credentials, ...(signal === undefined ? {} : { signal }) };
  const tags = await withDockerWords(given, async () => parts.remote.tags(question));
  const { domain, path } = given;
  return tags.map((tag) => parseReference(formatReference({ domain, path, tag })));
}

async function pullOne(
  parts: EngineParts,
  request: PullRequest & { readonly reference: Reference },
  onProgress: (progress: ImageProgress) => void,
): Promise<PulledImage> {
  const { reference } = request;
  // Not before the registry answered: an early failure is an HTTP status, not a stream.
  let isHeaded = false;
  const head = (): void => {
    if (!isHeaded) onProgress({ id: headOf(reference), status: `Pulling from ${reference.path}` });
    isHeaded = true;
  };
  const report = (progress: ImageProgress): void => {
    head();
    onProgress(progress);
  };
  return await withDockerWords(reference, async () => {
    const pulled = await parts.remote.pull({ ...request, onProgress: report });
    head();
    return pulled;
  });
}

/** Of a digest Docker tells the whole name. */
function headOf(reference: Reference): string {
  const { digest, tag = '' } = reference;
  return digest === undefined ? tag : `${repositoryOf(reference)}@${digest}`;
}

/** Docker's clients look for these words when an image is not there. */
export async function withDockerWords<T>(reference: Reference, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const words = isEngineError(cause) ? dockerWords(reference, cause) : undefined;
    if (words === undefined) throw cause;
    throw new EngineError('not-found', words, { cause, operation: 'images.pull' });
  }
}

function dockerWords(reference: Reference, { kind, details }: EngineError): string | undefined {
  const { code, answer, platform, actual } = details;
  const why = typeof answer === 'string' ? `: ${answer}` : '';
  const name = familiarRepository(reference);
  if (typeof platform === 'string' && typeof actual === 'string')
    return `image with reference ${formatFamiliar(reference)} was found but does not match the specified platform: wanted ${platform}, actual: ${actual}`;
  if (code === 'MANIFEST_UNKNOWN')
    return `manifest for ${formatFamiliar(reference)} not found${why}`;
  if (code === 'NAME_UNKNOWN') return `repository ${name} not found${why}`;
  if (code === 'DENIED' || kind === 'unauthorized')
    return `pull access denied for ${name}, repository does not exist or may require 'carve login'${why}`;
  return undefined;
}

/** Push one tag, or every tag of a repository when none is named. */
export function pushOperation(parts: EngineParts, announce: Announce): ImageOperations['push'] {
  return (text, options) => {
    const given = parseReference(text);
    if (given.digest !== undefined)
      throw new EngineError('invalid', 'Cannot push a digest: name a tag');
    const tag = options.tag ?? given.tag;
    const wanted = imagesToPush(parts, given, tag);
    for (const { reference } of wanted) getFor(parts, formatFamiliar(reference), options);
    return streamProgress(async (onProgress) => {
      onProgress({ status: `The push refers to repository [${repositoryOf(given)}]` });
      if (wanted.length === 0) throw absent(given);
      for (const { image, reference } of wanted) {
        const { digest, sizeBytes } = await parts.remote.push({
          image,
          reference,
          credentials: parts.remote.decodeAuth(options.auth),
          onProgress,
          ...(options.signal === undefined ? {} : { signal: options.signal }),
        });
        announce('push', { id: formatFamiliar(reference), name: familiarRepository(reference) });
        onProgress({ status: `${reference.tag}: digest: ${digest} size: ${sizeBytes}` });
        onProgress({ aux: { Tag: reference.tag, Digest: digest, Size: sizeBytes } });
      }
      return [];
    });
  };
}

interface Wanted {
  readonly image: ImageRecord;
  readonly reference: Reference & { readonly tag: string };
}

/** The tags to push, in their order; none: there is no such image. */
function imagesToPush(
  parts: EngineParts,
  given: Reference,
  tag: string | undefined,
): readonly Wanted[] {
  if (tag !== undefined && tag !== '') {
    const reference = { domain: given.domain, path: given.path, tag };
    const image = parts.images.find(formatFamiliar(reference));
    return image === undefined ? [] : [{ image, reference }];
  }
  const prefix = `${repositoryOf(given)}:`;
  const all = parts.images.list().flatMap((image) =>
    image.tags
      .filter((name) => name.startsWith(prefix))
      .map((name) => ({
        image,
        reference: { domain: given.domain, path: given.path, tag: name.slice(prefix.length) },
      })),
  );
  return all.toSorted((left, right) => (left.reference.tag < right.reference.tag ? -1 : 1));
}

function absent(reference: Reference): EngineError {
  const words = `An image does not exist locally with the tag: ${familiarRepository(reference)}`;
  return new EngineError('not-found', words, { operation: 'images.push' });
}
