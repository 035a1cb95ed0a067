/** carve's own endpoints of registries, typed: manifests and indexes by the engine's way to them. */

import type { ImageDescriptor } from '../spec/docker/image.ts';
import { encodeImagePath } from './http/message.ts';
import type { Transport } from './transport.ts';
import type { CallOptions } from './types.ts';

/** For whom, and how strictly. */
export interface RegistryCall extends CallOptions {
  /** Base64url of the credentials, as `X-Registry-Auth` has them. */
  readonly auth?: string | undefined;
  /** Accept plain HTTP and certificates of unknown authorities. */
  readonly isInsecure: boolean;
}

/** A manifest or an index as its registry has it. */
export interface RegistryManifest {
  readonly Descriptor: ImageDescriptor;
  /** Base64. */
  readonly Raw: string;
}

/** An index to store. */
export interface IndexUpload {
  readonly mediaType: string;
  /** Base64. */
  readonly raw: string;
  /** References with a digest of the manifests it names. */
  readonly sources: readonly string[];
}

/** Operations on registries. Every method throws `EngineError`. */
export interface RegistriesClient {
  manifest(reference: string, call: RegistryCall): Promise<RegistryManifest>;
  putIndex(
    reference: string,
    upload: IndexUpload,
    call: RegistryCall,
  ): Promise<{ readonly Digest: string }>;
}

/** The registry endpoints of one engine. */
export function createRegistriesClient(transport: Transport): RegistriesClient {
  const pathOf = (reference: string, verb: string): string =>
    `/carve/registry/${encodeImagePath(reference)}/${verb}`;
  const common = ({ auth, isInsecure, signal }: RegistryCall) => ({
    query: { insecure: isInsecure },
    headers: auth === undefined ? {} : { 'X-Registry-Auth': auth },
    signal,
  });
  return {
    manifest: (reference, call) =>
      transport.json({ method: 'GET', path: pathOf(reference, 'manifest'), ...common(call) }),
    putIndex: (reference, upload, call) =>
      transport.json({
        method: 'POST',
        path: pathOf(reference, 'index'),
        json: upload,
        ...common(call),
      }),
  };
}
