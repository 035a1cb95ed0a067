/** `import`: of a stream, or of what a URL gives. Source: Engine API `POST /images/create`, `fromSrc`. */

import type { Readable } from 'node:stream';
import type { ImageProgress, ImageRecord } from '../../images/store.ts';
import { parsePlatform } from '../../spec/platform.ts';
import type { ImageOperations, Progress } from '../engine.ts';
import type { EngineParts } from '../parts.ts';
import { streamProgress } from './progress.ts';

type ImportArguments = Parameters<ImageOperations['import']>;

/** The progress of an import, then the id. */
export function importOperation(
  parts: EngineParts,
  request: { readonly archive: ImportArguments[0]; readonly options: ImportArguments[1] },
  announce: (image: ImageRecord) => void,
): AsyncGenerator<Progress, void, undefined> {
  const { platform, ...rest } = request.options;
  const wanted =
    platform === undefined || platform === ''
      ? undefined
      : parsePlatform(platform, parts.host.platform);
  return streamProgress(async (onProgress) => {
    const source = await openSource(parts, request, onProgress);
    const image = await parts.images.import(source.archive, {
      ...rest,
      ...(wanted === undefined ? {} : { platform: wanted }),
      ...source.name,
      onProgress: (progress) => onProgress({ ...progress, ...source.total }),
    });
    announce(image);
    return [{ status: image.id }];
  });
}

/** Where the bytes come from, and what is known of them. */
interface Source {
  readonly archive: Readable | AsyncIterable<Uint8Array>;
  readonly name: { readonly sourceName?: string };
  readonly total: { readonly total?: number };
}

async function openSource(
  parts: EngineParts,
  { archive, options }: Parameters<typeof importOperation>[1],
  onProgress: (progress: ImageProgress) => void,
): Promise<Source> {
  if (!('url' in archive)) return { archive, name: {}, total: {} };
  const { body, sizeBytes, shownUrl } = await parts.remote.openArchive(archive.url, options.signal);
  onProgress({ status: `Downloading from ${shownUrl}` });
  return {
    archive: body,
    name: { sourceName: shownUrl },
    total: sizeBytes === undefined ? {} : { total: sizeBytes },
  };
}
