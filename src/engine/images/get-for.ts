/** Images that must be for a platform. Source: Engine API, `platform` of the image endpoints. */

import type { ImageRecord } from '../../images/store.ts';
import { parsePlatform, type Platform } from '../../spec/platform.ts';
import type { PlatformOption } from '../engine.ts';
import type { EngineParts } from '../parts.ts';

/** The image, if it is for the platform. Errors: `not-found`. */
export function getFor(
  parts: Pick<EngineParts, 'images' | 'host'>,
  ref: string,
  options: PlatformOption,
): ImageRecord {
  const platform = platformOf(parts, options);
  return parts.images.get(ref, platform === undefined ? {} : { platform });
}

/** The platform asked for. Errors: `invalid`. */
export function platformOf(
  parts: Pick<EngineParts, 'host'>,
  { platform }: PlatformOption,
): Platform | undefined {
  return platform === undefined || platform === ''
    ? undefined
    : parsePlatform(platform, parts.host.platform);
}
