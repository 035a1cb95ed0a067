/**
 * The contract of images elsewhere: what a pull, a push and a login are, for
 * the engine. It speaks in references and credentials, never in HTTP.
 */

import type { Digest } from '../base/brand.ts';
import type { Platform } from '../spec/platform.ts';
import type { Reference } from '../spec/reference.ts';
import type { ImageOptions, ImageRecord } from './store.ts';

/** What proves who asks. */
export type Credentials =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  /** A refresh token of the registry's token server. */
  | { readonly kind: 'identity-token'; readonly token: string }
  /** A bearer token to send as it is. */
  | { readonly kind: 'registry-token'; readonly token: string };

/** What to pull, and for whom. */
export interface PullOptions extends ImageOptions {
  readonly reference: Reference;
  /** `undefined`: the host's. */
  readonly platform?: Platform;
  /** `undefined`: anonymous. */
  readonly credentials: Credentials | undefined;
}

/** Result of a pull. */
export interface PulledImage {
  readonly image: ImageRecord;
  /** Digest of what the reference led to. */
  readonly digest: Digest;
  /** The name pointed at this image before. */
  readonly isUpToDate: boolean;
}

/** What to push, and for whom. */
export interface PushOptions extends ImageOptions {
  readonly image: ImageRecord;
  readonly reference: Reference & { readonly tag: string };
  /** `undefined`: anonymous. */
  readonly credentials: Credentials | undefined;
}

/** What a push made. */
export interface PushedImage {
  readonly digest: Digest;
  /** Size of the manifest in bytes. */
  readonly sizeBytes: number;
}

/** Images in registries. Every method throws `EngineError`. */
export interface RemoteImages {
  /** Credentials in a client's `X-Registry-Auth` header; `undefined`: anonymous, also for a header that is none. */
  decodeAuth(header: string | undefined): Credentials | undefined;
  /** Registry host and credentials in a client's `AuthConfig`. Errors: `invalid` without credentials. */
  decodeLogin(config: unknown): { readonly host: string; readonly credentials: Credentials };
  /** Errors: `not-found`, `unauthorized`, `denied`, `unavailable`, `corrupt`, `exhausted`, `cancelled`. */
  pull(options: PullOptions): Promise<PulledImage>;
  push(options: PushOptions): Promise<PushedImage>;
  /** Succeeds when the registry `host` accepts the credentials. Errors: `unauthorized`, `unavailable`. */
  login(host: string, credentials: Credentials): Promise<void>;
  /** Ends idle connections. */
  close(): void;
}
