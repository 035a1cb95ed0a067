/**
 * The contract of a content store: blobs that are named by their digest.
 *
 * **Invariants**
 * - What is stored under a digest has that digest and size; both are verified
 *   when it is written and again on every read.
 * - A resolved `put` means "this content is in the store and survives a crash",
 *   without saying that this call put it there: it is idempotent.
 * - Garbage collection removes nothing a lease holds, nothing a caller's roots
 *   name, and nothing that was written after the collection began.
 *
 * Source: OCI image-spec 1.1.1 descriptor.md "Verification".
 */
import type { Digest } from '../base/brand.ts';

/** A blob in the store. */
export interface BlobInfo {
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** What a caller knows about content before it has it. */
export interface PutOptions {
  /** Content with another digest is refused. Errors: `corrupt`. */
  readonly digest?: Digest;
  /** Content of another size is refused. Errors: `corrupt`. */
  readonly sizeBytes?: number;
  /** More bytes than this are refused. Errors: `exhausted`. */
  readonly maxBytes?: number;
  /** Holds the blob from the moment it is visible. */
  readonly lease?: Lease;
  /** Return once it is readable; it survives a power cut only after the next `sync`. Default: false. */
  readonly deferSync?: boolean;
  /** A reader beside the writer. */
  readonly follower?: PutFollower;
  readonly signal?: AbortSignal;
}

/** Hears how the file of a blob grows; its bytes are not verified before `put` resolved. */
export interface PutFollower {
  /** The file exists. Never called by a store that is not on a disk, nor for a blob that is here already. */
  onOpen(path: string): void;
  /** Bytes that are in the file. */
  onWritten(sizeBytes: number): void;
}

/** Options of a read. */
export interface ReadOptions {
  /** Size a descriptor claims; a blob of another size is refused before a byte is read. Errors: `corrupt`. */
  readonly sizeBytes?: number;
  readonly signal?: AbortSignal;
}

/** Which content an ingest is for. */
export interface IngestRequest {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly lease?: Lease;
  readonly signal?: AbortSignal;
}

/**
 * Content that arrives in pieces, over several attempts and daemon restarts.
 * One writer per digest at a time: a second `ingest` waits for the first.
 */
export interface Ingest {
  /** Bytes that are here already: the next byte to ask the registry for. */
  readonly offsetBytes: number;
  /** The file that grows, for a reader beside the writer; its bytes are not verified before `commit`. `undefined`: not on a disk. */
  readonly path: string | undefined;
  /** Append. Errors: `corrupt` beyond the announced size; `exhausted` when the disk is full. */
  write(chunk: Uint8Array): Promise<void>;
  /** Forget what came so far (a server that cannot resume). */
  restart(): Promise<void>;
  /** Verify, make durable, publish. Errors: `corrupt` (the bytes are then discarded). The writer is closed. */
  commit(): Promise<BlobInfo>;
  /** Keep the bytes for a later attempt and close the writer. Idempotent, also after `commit`. */
  suspend(): Promise<void>;
  /** Drop the bytes and close the writer. Idempotent, also after `commit`. */
  discard(): Promise<void>;
}

/** Protects content that nothing names yet from garbage collection. Ends with the process at the latest. */
export interface Lease {
  readonly purpose: string;
  add(digest: Digest): void;
  holds(digest: Digest): boolean;
  /** Idempotent. */
  release(): void;
  [Symbol.dispose](): void;
}

/** Options of a garbage collection. */
export interface CollectOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds since the epoch: what was stored later stays, for a pull that comes back to it. Default: nothing stays. */
  readonly storedBeforeMs?: number;
}

/** What a garbage collection did. */
export interface CollectResult {
  readonly deleted: readonly BlobInfo[];
  readonly reclaimedBytes: number;
}

/** Blobs by digest. Every method throws `EngineError`. */
export interface ContentStore {
  /** Store a stream. Errors: `corrupt`, `exhausted`, `cancelled`; a failed put leaves nothing. */
  put(source: AsyncIterable<Uint8Array>, options?: PutOptions): Promise<BlobInfo>;
  /** Store bytes that are in memory. */
  putBytes(data: Uint8Array, options?: PutOptions): Promise<BlobInfo>;
  /** `undefined` when the blob is not here. Says nothing about its health: reads do. */
  find(digest: Digest): Promise<BlobInfo | undefined>;
  /**
   * The content as a stream that fails with `corrupt` at its end when digest or
   * size differ; a consumer must not act on the content before the stream ended.
   * Errors: `not-found`.
   */
  get(digest: Digest, options?: ReadOptions): AsyncIterable<Uint8Array>;
  /** All of a small blob, verified. Errors: `not-found`, `corrupt`, `exhausted` above `maxBytes`. */
  read(digest: Digest, maxBytes: number, options?: ReadOptions): Promise<Uint8Array>;
  /**
   * Where a blob lies, for a worker that reads and verifies it itself;
   * `undefined` for stores that are not on a disk. Errors: `not-found`.
   */
  locate(
    digest: Digest,
  ): Promise<{ readonly path: string; readonly sizeBytes: number } | undefined>;
  /** Content in pieces, resumable. `undefined` when the blob is here already. */
  ingest(request: IngestRequest): Promise<Ingest | undefined>;
  list(): AsyncIterable<BlobInfo>;
  /** Wait until every deferred put is durable. Errors: those of the disk. */
  sync(): Promise<void>;
  /** Read all of a blob and compare. A blob that fails is removed, so that it can be fetched again. Errors: `corrupt`, `not-found`. */
  verify(digest: Digest, options?: ReadOptions): Promise<void>;
  /** `purpose` is for people, e.g. `pull docker.io/library/debian:12`. */
  lease(purpose: string): Lease;
  /**
   * Remove one blob unless a lease holds it or `isNeeded` says so, asked in the same breath;
   * `false` when it was not here, is held or needed.
   */
  remove(digest: Digest, isNeeded?: () => boolean): Promise<boolean>;
  /** Remove all that neither `roots` nor a lease names. Safe while others put and get. `roots` is asked once, after the collection began. */
  collect(
    roots: () => ReadonlySet<Digest> | Promise<ReadonlySet<Digest>>,
    options?: CollectOptions,
  ): Promise<CollectResult>;
}
