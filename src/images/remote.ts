/**
 * The contract of images elsewhere: what a pull, a push and a login are, for
 * the engine. It speaks in references and credentials, never in HTTP.
 */

import type { Digest } from '../base/brand.ts';
import type { Descriptor, DescriptorPlatform } from '../spec/oci/image.ts';
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

/** One question to a registry. */
export interface RemoteQuestion {
  readonly reference: Reference;
  /** `undefined`: anonymous. */
  readonly credentials: Credentials | undefined;
  /** Plain HTTP and certificates of unknown authorities are accepted this once. */
  readonly isInsecure?: boolean;
  readonly signal?: AbortSignal;
}

/** A manifest or an index of any kind, as its registry has it. */
export interface RemoteDocument {
  /** Annotations and platform are not set. */
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** What it is for: of an index what its entries say, of a manifest what its configuration says. */
  readonly platforms: readonly DescriptorPlatform[];
}

/** An index to store under a tag. */
export interface PlaceOptions extends Omit<RemoteQuestion, 'reference'> {
  readonly reference: Reference & { readonly tag: string };
  readonly mediaType: string;
  readonly bytes: Uint8Array;
  /** Manifests the index names that are in another repository of the same registry. */
  readonly sources: readonly { readonly reference: Reference; readonly digest: Digest }[];
}

/** What to search for, and where. */
export interface SearchOptions {
  /** `TERM`, or `HOST/TERM`. */
  readonly term: string;
  /** Count of results, 1..100. */
  readonly limit: number;
  readonly credentials: Credentials | undefined;
  readonly signal?: AbortSignal;
}

/** A repository that a search found. Source: Engine API `ImageSearchResponseItem`. */
export interface SearchHit {
  readonly name: string;
  readonly description: string;
  /** Count. */
  readonly stars: number;
  readonly isOfficial: boolean;
}

/** What a login gave. */
export interface LoginResult {
  /** A refresh token to use from now on instead of the password; empty: the registry gives none. */
  readonly identityToken: string;
}

/** An archive somewhere on the web; `body` must be read or destroyed. */
export interface RemoteArchive {
  readonly body: AsyncIterable<Uint8Array>;
  /** The URL without name and password. */
  readonly shownUrl: string;
  /** `undefined`: the server does not say. */
  readonly sizeBytes: number | undefined;
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
  /** What a reference leads to, nothing stored; mirrors are asked first. Errors: those of `pull`. */
  look(question: RemoteQuestion): Promise<RemoteDocument>;
  /** All tags of a repository. Errors: those of `pull`. */
  tags(question: RemoteQuestion): Promise<readonly string[]>;
  /** Brings manifests into a repository, then stores the index that names them. Errors: those of `push`. */
  place(options: PlaceOptions): Promise<Digest>;
  /** Errors: `not-found` when the registry has no search, `unavailable`. */
  search(options: SearchOptions): Promise<readonly SearchHit[]>;
  /** Errors: `invalid` for a bad URL, `unavailable`. */
  openArchive(url: string, signal?: AbortSignal): Promise<RemoteArchive>;
  /** Succeeds when the registry `host` accepts the credentials. Errors: `unauthorized`, `unavailable`. */
  login(host: string, credentials: Credentials): Promise<LoginResult>;
  /** Ends idle connections. */
  close(): void;
}
