/**
 * The `platform` parameter in its JSON form.
 * Source: engine-api facts 5.6 (`platform` param), OCI image-spec 1.1 descriptor.
 */

import { EngineError } from '../base/error.ts';
import type { ImageInspect } from '../spec/docker/image.ts';
import { decodeBody, object, text } from './decode/shape.ts';
import type { Query } from './query.ts';

/** What a client asks for. */
export interface PlatformQuery {
  readonly os?: string;
  readonly architecture?: string;
  readonly variant?: string;
}

const decode = object<PlatformQuery>({ os: text, architecture: text, variant: text });

/** `undefined` when not given. Errors: `invalid`. */
export function parsePlatform(query: Query): PlatformQuery | undefined {
  const [value] = query.json('platform');
  return value === undefined ? undefined : decodeBody(decode, value);
}

/** The first `key` parameter as `os/arch[/variant]`; nothing when not given. Errors: `invalid`, also for several. */
export function platformOption(query: Query, key = 'platform'): { readonly platform?: string } {
  const values = query.json(key);
  if (values.length > 1)
    throw new EngineError('invalid', `Bad parameter: only one '${key}' can be asked for`);
  const [value] = values;
  if (value === undefined) return {};
  const { os = '', architecture = '', variant = '' } = decodeBody(decode, value);
  const parts = [os, architecture, variant].filter((part) => part !== '');
  return parts.length === 0 ? {} : { platform: parts.join('/') };
}

/** Errors: `not-found` when the image is for another platform. */
export function checkPlatform(name: string, image: ImageInspect, wanted: PlatformQuery): void {
  const isFit =
    fits(wanted.os, image.Os) &&
    fits(wanted.architecture, image.Architecture) &&
    fits(wanted.variant, image.Variant ?? '');
  if (isFit) return;
  const asked = [wanted.os, wanted.architecture, wanted.variant]
    .filter((part) => part !== undefined && part !== '')
    .join('/');
  throw new EngineError(
    'not-found',
    `No such image: image with reference ${name} was found but does not match the specified platform: wanted ${asked}, actual: ${image.Os}/${image.Architecture}`,
  );
}

function fits(wanted: string | undefined, actual: string): boolean {
  return wanted === undefined || wanted === '' || wanted === actual;
}
