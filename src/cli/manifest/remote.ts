/** Manifests of registries, by the engine. */

import { EngineError, isEngineError } from '../../base/error.ts';
import type { RegistryCall, RegistryManifest } from '../../client/registries.ts';
import { documentKindOf } from '../../spec/media-type.ts';
import { formatReference, type Reference } from '../../spec/reference.ts';
import type { Context } from '../command.ts';
import { encodeAuth, findAuth } from '../registry/auth.ts';
import type { LocalManifest } from './local-manifest.ts';

/** What a reference leads to. */
export interface FoundDocument extends LocalManifest {
  readonly isIndex: boolean;
}

/** Credentials of a registry, and how strictly it is spoken to. */
export async function callOf(
  context: Context,
  reference: Reference,
  isInsecure: boolean,
): Promise<RegistryCall> {
  const auth = await findAuth(context.config(), reference.domain);
  return Object.keys(auth).length === 0 ? { isInsecure } : { isInsecure, auth: encodeAuth(auth) };
}

/** Ask the registry. Errors: `not-found` in docker's words. */
export async function fetchDocument(
  context: Context,
  reference: Reference,
  isInsecure: boolean,
): Promise<FoundDocument> {
  const name = formatReference(reference);
  const call = await callOf(context, reference, isInsecure);
  let found: RegistryManifest;
  try {
    found = await context.client.registries.manifest(name, call);
  } catch (cause) {
    if (!isEngineError(cause) || cause.kind !== 'not-found') throw cause;
    throw new EngineError('not-found', `no such manifest: ${name}`, { cause });
  }
  const { Descriptor, Raw } = found;
  return { Ref: name, Descriptor, Raw, isIndex: documentKindOf(Descriptor.mediaType) === 'index' };
}
