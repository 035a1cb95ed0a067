/**
 * Blobs → committed layers: one unpack per layer whatever the number of
 * callers, several layers of one image at once, each in its own thread.
 *
 * A layer is unpacked beside the layers below it and asks for them only at its
 * end; it is committed after them.
 *
 * **Invariants**
 * - Two callers of one chain id share one run (single flight); it is cancelled
 *   only when all of them are.
 * - A failed or cancelled run leaves no draft; what stands on it fails too.
 * - A run that waits for the layers below holds no place at the common gate, and
 *   one at its image's, where places are taken base first: so runs cannot wait
 *   for each other in a circle.
 */
import type { ChainId, Digest, HostPath } from '../base/brand.ts';
import { EngineError, isEngineError } from '../base/error.ts';
import { baseChainId, chainIds } from '../spec/digest.ts';
import type { DecompressLimits } from './decompress.ts';
import { Flight, type FlightControls } from './flight.ts';
import { Gate } from './gate.ts';
import { unlessAborted } from './interruptible.ts';
import { type LayerBytes, releaseBytes } from './layer-bytes.ts';
import type { TarLimits } from './tar-entry.ts';
import type { LayerTarget, TargetDraft, TargetLayer } from './target.ts';
import type { BelowFacts } from './tree.ts';
import type { UnpackJob, UnpackResult } from './unpack-job.ts';
import { runUnpack } from './unpack-thread.ts';
import { WorkerPool } from './worker-pool.ts';

/** How layers are unpacked on this machine. */
export interface UnpackerOptions {
  readonly target: LayerTarget;
  readonly chiselPath: HostPath;
  /** Module of the worker; `undefined`: in the caller's thread. */
  readonly worker: URL | undefined;
  /** How many layers are read at once. */
  readonly concurrency: number;
  /** How many layers of one image are in memory at once, those that wait for the layers below among them. */
  readonly concurrencyOfImage: number;
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
  /** Where its bytes are; settles when they can be read. A stream is not read when another caller's run serves this one too. */
  readonly bytes: () => Promise<LayerBytes>;
  /** Of the stored form. */
  readonly digest?: Digest;
  /** Size of the stored form in bytes. */
  readonly sizeBytes?: number;
  /** Bytes of the stored form read so far. */
  readonly onProgress?: (readBytes: number) => void;
}

/** A base layer whose digests nobody knows yet. */
export interface UnpackNewRequest {
  /** Where its bytes are; settles when they can be read. */
  readonly bytes: () => Promise<LayerBytes>;
  readonly onProgress?: (readBytes: number) => void;
  readonly signal?: AbortSignal;
}

/** A layer's run as the one above it sees it. */
interface LayerRun {
  readonly chainId: ChainId;
  /** Directories of this layer and those below, top first; they exist. */
  readonly directories: readonly HostPath[];
  readonly layer: Promise<TargetLayer>;
  /** How many of `directories` are not hidden by one above. Precondition: `layer` resolved. */
  readonly visibleCount: () => number;
}

/** A layer to unpack, and the one it stands on. */
interface LayerPlan {
  readonly chainId: ChainId;
  readonly request: UnpackRequest;
  readonly below: LayerRun | undefined;
  /** Of the image. */
  readonly gate: Gate;
}

/** Unpacks layers into a {@link LayerTarget}. */
export class LayerUnpacker {
  readonly #options: UnpackerOptions;
  readonly #gate: Gate;
  readonly #workers: WorkerPool | undefined;
  readonly #flights = new Map<ChainId, Flight<LayerRun, TargetLayer>>();
  readonly #syncing = new Set<Promise<void>>();

  constructor(options: UnpackerOptions) {
    this.#options = options;
    this.#gate = new Gate(options.concurrency);
    this.#workers = options.worker === undefined ? undefined : new WorkerPool(options.worker);
  }

  /**
   * All layers of an image, base first, unpacked now or before. Precondition:
   * nobody removes them meanwhile. Errors:
   * `corrupt`, `invalid`, `exhausted`, `cancelled`, those of the sources; then
   * no run of this call goes on unless others wait for it too.
   */
  async unpackAll(
    requests: readonly UnpackRequest[],
    signal?: AbortSignal,
  ): Promise<readonly TargetLayer[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#unpackAll(requests, signal);
      } catch (error) {
        // Another caller's source was cancelled in a run that this one shared.
        const isOthers = isEngineError(error) && error.kind === 'cancelled';
        if (!isOthers || signal?.aborted === true || attempt === 3) throw error;
      }
    }
  }

  async #unpackAll(
    requests: readonly UnpackRequest[],
    signal: AbortSignal | undefined,
  ): Promise<readonly TargetLayer[]> {
    const chain = chainIds(requests.map(({ diffId }) => diffId));
    const waits: Promise<TargetLayer>[] = [];
    const abort = new AbortController();
    const all = signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]);
    const gate = new Gate(this.#options.concurrencyOfImage);
    try {
      let below: LayerRun | undefined;
      for (const [index, request] of requests.entries()) {
        const chainId = chain[index] ?? assertNever();
        await this.#waitForCancelled(chainId);
        const existing = this.#existing(chainId);
        if (existing !== undefined) {
          below = existing;
          waits.push(existing.layer);
          continue;
        }
        const flight = this.#flightOf({ chainId, request, below, gate });
        const wait = flight.join(request.onProgress, all);
        // It may fail while the layers above are still being begun.
        wait.catch(() => undefined);
        waits.push(wait);
        below = await flight.subject;
      }
      return await Promise.all(waits);
    } catch (error) {
      abort.abort();
      await Promise.allSettled(waits);
      throw error;
    }
  }

  /** A base layer of unknown content (an import). */
  async unpackNew(
    request: UnpackNewRequest,
  ): Promise<{ readonly layer: TargetLayer; readonly result: UnpackResult }> {
    const { bytes, leave } = await this.#begin(request, request.signal);
    let draft: TargetDraft | undefined;
    let isGiven = false;
    try {
      draft = await this.#options.target.draftLayer(undefined);
      const job = this.#jobOf({}, draft, undefined);
      const workers = this.#workers;
      isGiven = true;
      const { result, synced } = await runUnpack({ job, bytes, hooks: request, workers });
      const { diffId } = result.facts;
      const layer = await draft.commit(baseChainId(diffId), undefined, result.facts);
      this.#markLater(draft, synced);
      return { layer, result };
    } catch (error) {
      if (!isGiven) await releaseBytes(bytes);
      // What cannot be dropped now is swept when the store is opened next; the first failure counts.
      await draft?.discard().catch(() => undefined);
      throw error;
    } finally {
      leave();
    }
  }

  /** Wait until finished layers have reached the disk; end idle threads. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#syncing);
    this.#workers?.close();
  }

  #existing(chainId: ChainId): LayerRun | undefined {
    const { target } = this.#options;
    const layer = target.findLayer(chainId);
    if (layer === undefined) return undefined;
    const directories = target.directoriesOf(chainId);
    return {
      chainId,
      directories,
      layer: Promise.resolve(layer),
      visibleCount: () => directories.length,
    };
  }

  /** Precondition: no flight of the layer is being cancelled. */
  #flightOf(plan: LayerPlan): Flight<LayerRun, TargetLayer> {
    const { chainId } = plan;
    const running = this.#flights.get(chainId);
    if (running !== undefined) return running;
    const flight: Flight<LayerRun, TargetLayer> = new Flight((controls) =>
      this.#launch(plan, controls),
    );
    this.#flights.set(chainId, flight);
    void flight.settled.then(() => this.#flights.delete(chainId));
    return flight;
  }

  /** Two runs of one layer would pull each other's directories away: wait for one that nobody wants. */
  async #waitForCancelled(chainId: ChainId): Promise<void> {
    for (;;) {
      const running = this.#flights.get(chainId);
      if (running?.isCancelled !== true) return;
      await running.settled;
    }
  }

  #launch(
    plan: LayerPlan,
    controls: FlightControls,
  ): { readonly subject: Promise<LayerRun>; readonly result: Promise<TargetLayer> } {
    const { chainId, below } = plan;
    const drafting = this.#options.target.draftLayer(chainId);
    const result = drafting.then((draft) => this.#run(plan, draft, controls));
    const subject = drafting.then((draft): LayerRun => {
      let hidesBelow = false;
      void result.then(
        (layer) => (hidesBelow = layer.hidesBelow === true),
        () => undefined,
      );
      return {
        chainId,
        directories: [draft.directory, ...(below?.directories ?? [])],
        layer: result,
        visibleCount: () => (hidesBelow ? 1 : 1 + (below?.visibleCount() ?? 0)),
      };
    });
    return { subject, result };
  }

  async #run(
    { chainId, request, below, gate }: LayerPlan,
    draft: TargetDraft,
    controls: FlightControls,
  ): Promise<TargetLayer> {
    let leave: (() => void) | undefined;
    let leaveImage: (() => void) | undefined;
    try {
      leaveImage = await gate.enter(controls.signal);
      const begun = await this.#begin(request, controls.signal);
      const { bytes } = begun;
      ({ leave } = begun);
      // A file that grows is verified by who writes it, before its end.
      const isVerified = bytes.kind === 'growing';
      const job = { ...this.#jobOf(request, draft, below), isVerified };
      const hooks = {
        ...controls,
        below: async (): Promise<BelowFacts> => {
          leave?.();
          return await factsBelow(below);
        },
      };
      const workers = this.#workers;
      const { result, synced } = await runUnpack({ job, bytes, hooks, workers });
      const layer = await draft.commit(chainId, below?.chainId, result.facts);
      this.#markLater(draft, synced);
      return layer;
    } catch (error) {
      // What cannot be dropped now is swept when the store is opened next; the first failure counts.
      await draft.discard().catch(() => undefined);
      throw error;
    } finally {
      leave?.();
      leaveImage?.();
    }
  }

  /** Wait for the bytes and a place at the gate. */
  async #begin(
    request: Pick<UnpackRequest, 'bytes'>,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly bytes: LayerBytes; readonly leave: () => void }> {
    const pending = request.bytes();
    try {
      const bytes = await (signal === undefined ? pending : unlessAborted(pending, signal));
      return { bytes, leave: await this.#gate.enter(signal) };
    } catch (error) {
      // They may come later, and nobody will read them.
      pending.then(releaseBytes).catch(() => undefined);
      throw error;
    }
  }

  #jobOf(
    wanted: { readonly digest?: Digest; readonly sizeBytes?: number; readonly diffId?: Digest },
    draft: TargetDraft,
    below: LayerRun | undefined,
  ): UnpackJob {
    const { chiselPath, overlayXattrs, skipDevices, decompressLimits, tarLimits } = this.#options;
    return {
      ...(wanted.digest === undefined ? {} : { digest: wanted.digest }),
      ...(wanted.sizeBytes === undefined ? {} : { sizeBytes: wanted.sizeBytes }),
      ...(wanted.diffId === undefined ? {} : { diffId: wanted.diffId }),
      chiselPath,
      directory: draft.directory,
      lower: below?.directories ?? [],
      tree: { hasParent: below !== undefined, overlayXattrs, skipDevices },
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

async function factsBelow(below: LayerRun | undefined): Promise<BelowFacts> {
  if (below === undefined)
    throw new EngineError('internal', 'Cannot tell about layers below a base layer');
  const { root } = await below.layer;
  return { root, visibleCount: below.visibleCount() };
}

function assertNever(): never {
  throw new EngineError('internal', 'Cannot name a layer without a diff id');
}
