/**
 * Blobs → committed layers: one unpack per layer whatever the number of
 * callers, as many at once as there are processors, each in its own thread.
 *
 * **Invariants**
 * - Two callers of one chain id share one run (single flight); it is cancelled
 *   only when all of them are.
 * - A failed or cancelled run leaves no draft.
 */
import type { ChainId, Digest, HostPath } from '../base/brand.ts';
import { EngineError } from '../base/error.ts';
import { chainIds } from '../spec/digest.ts';
import type { RootAttributes } from '../spec/layer.ts';
import type { DecompressLimits } from './decompress.ts';
import { Gate } from './gate.ts';
import type { LayerTarget, TargetDraft, TargetLayer } from './target.ts';
import type { TarLimits } from './tar-entry.ts';
import type { UnpackJob, UnpackResult } from './unpack-job.ts';
import { type LayerBytes, runUnpack } from './unpack-thread.ts';

/** How layers are unpacked on this machine. */
export interface UnpackerOptions {
  readonly target: LayerTarget;
  readonly chiselPath: HostPath;
  /** Module of the worker; `undefined`: in the caller's thread. */
  readonly worker: URL | undefined;
  /** Layers unpacked at once. */
  readonly concurrency: number;
  /** Name space of overlayfs' attributes: `user` in a user namespace. */
  readonly overlayXattrs: 'trusted' | 'user';
  /** Device nodes cannot be made (a user namespace). */
  readonly skipDevices: boolean;
  readonly decompressLimits?: DecompressLimits;
  readonly tarLimits?: TarLimits;
}

/** A layer that the image's configuration names. */
export interface UnpackRequest {
  readonly diffId: Digest;
  /** Chain id of the layer below; `undefined`: a base layer. */
  readonly parent: ChainId | undefined;
  readonly chainId: ChainId;
  readonly bytes: LayerBytes;
  /** Of the stored form. */
  readonly digest?: Digest;
  /** Size of the stored form in bytes. A stream is not read when another caller's run serves this one too. */
  readonly sizeBytes?: number;
  readonly onProgress?: (readBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A base layer whose digests nobody knows yet. */
export interface UnpackNewRequest {
  readonly bytes: LayerBytes;
  readonly onProgress?: (readBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A run that several callers wait for. */
interface Flight {
  readonly layer: Promise<TargetLayer>;
  readonly abort: AbortController;
  readonly listeners: Set<(readBytes: number) => void>;
  waiters: number;
}

/** Unpacks layers into a {@link LayerTarget}. */
export class LayerUnpacker {
  readonly #options: UnpackerOptions;
  readonly #gate: Gate;
  readonly #flights = new Map<ChainId, Flight>();
  readonly #syncing = new Set<Promise<void>>();

  constructor(options: UnpackerOptions) {
    this.#options = options;
    this.#gate = new Gate(options.concurrency);
  }

  /** The layer, unpacked now or before. Errors: `corrupt`, `invalid`, `exhausted`, `cancelled`, those of the source. */
  async unpack(request: UnpackRequest): Promise<TargetLayer> {
    const existing = this.#options.target.findLayer(request.chainId);
    if (existing !== undefined) return existing;
    let flight = this.#flights.get(request.chainId);
    if (flight === undefined) {
      flight = this.#launch(request);
      this.#flights.set(request.chainId, flight);
    }
    const { chainId } = request;
    return await join(flight, request, () => {
      this.#forget(chainId, flight);
    });
  }

  /** Who comes now starts anew. */
  #forget(chainId: ChainId, flight: Flight): void {
    if (this.#flights.get(chainId) === flight) this.#flights.delete(chainId);
  }

  /** A base layer of unknown content (an import). */
  async unpackNew(request: UnpackNewRequest): Promise<{ readonly layer: TargetLayer; readonly result: UnpackResult }> {
    return await this.#run({}, undefined, request.bytes, request.onProgress, request.signal);
  }

  /** Wait until finished layers have reached the disk. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#syncing]);
  }

  #launch(request: UnpackRequest): Flight {
    const abort = new AbortController();
    const listeners = new Set<(readBytes: number) => void>();
    const onProgress = (readBytes: number): void => {
      for (const listener of listeners) listener(readBytes);
    };
    const wanted = {
      diffId: request.diffId,
      ...(request.digest === undefined ? {} : { digest: request.digest }),
      ...(request.sizeBytes === undefined ? {} : { sizeBytes: request.sizeBytes }),
    };
    const layer = this.#run(wanted, request.parent, request.bytes, onProgress, abort.signal).then((done) => {
      if (done.layer.chainId !== request.chainId) throw new EngineError('internal', `Cannot unpack layer: ${request.chainId} is not its chain id`);
      return done.layer;
    });
    // Every waiter may have left.
    layer.catch(() => undefined);
    return { layer, abort, listeners, waiters: 0 };
  }

  async #run(
    wanted: Pick<UnpackJob, 'digest' | 'sizeBytes' | 'diffId'>,
    parent: ChainId | undefined,
    bytes: LayerBytes,
    onProgress: ((readBytes: number) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly layer: TargetLayer; readonly result: UnpackResult }> {
    const leave = await this.#gate.enter(signal);
    try {
      const draft = await this.#options.target.draftLayer(parent);
      try {
        const job = this.#jobOf(wanted, parent, draft);
        const hooks = { ...(onProgress === undefined ? {} : { onProgress }), ...(signal === undefined ? {} : { signal }) };
        const { result, synced } = await runUnpack(job, bytes, hooks, this.#options.worker);
        const layer = await draft.commit(chainIdOf(parent, result.facts.diffId), result.facts);
        this.#markLater(draft, synced);
        return { layer, result };
      } catch (error) {
        await draft.discard();
        throw error;
      }
    } finally {
      leave();
    }
  }

  #jobOf(wanted: Pick<UnpackJob, 'digest' | 'sizeBytes' | 'diffId'>, parent: ChainId | undefined, draft: TargetDraft): UnpackJob {
    const { target, chiselPath, overlayXattrs, skipDevices, decompressLimits, tarLimits } = this.#options;
    const parentRoot: RootAttributes | undefined = parent === undefined ? undefined : target.findLayer(parent)?.root;
    return {
      ...wanted,
      chiselPath,
      directory: draft.directory,
      lower: draft.lower,
      tree: { hasParent: parent !== undefined, ...(parentRoot === undefined ? {} : { parentRoot }), overlayXattrs, skipDevices },
      ...(decompressLimits === undefined ? {} : { decompressLimits }),
      ...(tarLimits === undefined ? {} : { tarLimits }),
    };
  }

  #markLater(draft: TargetDraft, synced: Promise<boolean>): void {
    const work = synced.then(async (isSynced) => {
      if (isSynced) await draft.markSynced();
    });
    // Without the mark the layer is unpacked again after a power cut: slower, not wrong.
    const settled = work.catch(() => undefined);
    this.#syncing.add(settled);
    void settled.then(() => this.#syncing.delete(settled));
  }
}

function chainIdOf(parent: ChainId | undefined, diffId: Digest): ChainId {
  const stack = parent === undefined ? [diffId] : [parent as string as Digest, diffId];
  const chainId = chainIds(stack).at(-1);
  if (chainId === undefined) throw new EngineError('internal', 'Cannot name a layer without a diff id');
  return chainId;
}

/** Wait with the others; the last one to give up cancels the run. */
async function join(flight: Flight, { onProgress, signal }: UnpackRequest, forget: () => void): Promise<TargetLayer> {
  flight.waiters++;
  if (onProgress !== undefined) flight.listeners.add(onProgress);
  const { promise: cancelled, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(new EngineError('cancelled', 'Cannot unpack layer: it was cancelled'));
  };
  signal?.addEventListener('abort', onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    return await Promise.race([flight.layer, cancelled]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
    if (onProgress !== undefined) flight.listeners.delete(onProgress);
    flight.waiters--;
    if (flight.waiters === 0) {
      forget();
      flight.abort.abort();
    }
  }
}
