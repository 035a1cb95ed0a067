/**
 * Unpacks one layer: stored bytes → tar → tree → chisel. This is the whole hot
 * path; it runs in a worker thread (`unpack-worker.ts`) or, where there is
 * none, in the caller's.
 *
 * **Invariant:** the chisel gets its last operation only after both digests
 * were found right, so a directory never counts as a layer before.
 */
import type { Digest, HostPath } from '../base/brand.ts';
import { countUsedChunk } from '../base/collect.ts';
import { EngineError } from '../base/error.ts';
import type { LayerFacts } from '../spec/layer.ts';
import type { LayerCompression } from '../spec/media-type.ts';
import { type DecodeResults, decodeLayer, type DecompressLimits } from './decompress.ts';
import { interruptible } from './interruptible.ts';
import { TAR_LIMITS, type TarEntry, type TarHandler, type TarLimits } from './tar-entry.ts';
import { TarParser } from './tar-parse.ts';
import { type BelowFacts, LayerTree, type TreeOptions } from './tree.ts';
import { UnpackChild } from './unpack-child.ts';
import { UnpackEncoder } from './unpack-ops.ts';

/** What to unpack, where, and what it must turn out to be. Plain data: it crosses to a worker. */
export interface UnpackJob {
  readonly chiselPath: HostPath;
  /** Fresh and empty. */
  readonly directory: HostPath;
  /** Layers below, top first; they may still be in the making. */
  readonly lower: readonly HostPath[];
  readonly tree: TreeOptions;
  /** Of the stored form; `undefined`: not known before. */
  readonly digest?: Digest;
  /** The source ends only after it found the stored form to have `digest`: it is not hashed twice. */
  readonly isVerified?: boolean;
  /** Size of the stored form in bytes; `undefined`: not known before. */
  readonly sizeBytes?: number;
  /** Of the tar; `undefined`: not known before (an import). */
  readonly diffId?: Digest;
  readonly decompressLimits?: DecompressLimits;
  readonly tarLimits?: TarLimits;
}

/** A layer that is unpacked. */
export interface UnpackResult {
  readonly facts: LayerFacts;
  readonly compression: LayerCompression;
  /** Digest and size of the stored form. */
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Size of the tar in bytes. */
  readonly tarBytes: number;
}

/** Hooks of a run. */
export interface UnpackHooks {
  /** Bytes of the stored form read so far. */
  readonly onProgress?: (readBytes: number) => void;
  /** Asked once, after the whole tar was read, when there are layers below: resolves when they are unpacked. */
  readonly below?: () => Promise<BelowFacts>;
  readonly signal?: AbortSignal;
}

/** A finished run: the result, and whether its files also reached the disk. */
export interface UnpackRun {
  readonly result: UnpackResult;
  /** Resolves later; `false`: not on the disk for certain. Never rejects. */
  readonly synced: Promise<boolean>;
}

/** Run a job. On failure the directory holds some of the layer and no process writes to it any more. */
export async function runUnpackJob(
  job: UnpackJob,
  source: AsyncIterable<Uint8Array>,
  hooks: UnpackHooks = {},
): Promise<UnpackRun> {
  throwIfAborted(hooks.signal);
  const child = new UnpackChild(job.chiselPath, ['unpack', job.directory, ...job.lower]);
  // A chisel that hangs on its disk cannot keep a cancelled run.
  const onAbort = (): void => void child.kill();
  hooks.signal?.addEventListener('abort', onAbort, { once: true });
  try {
    const result = await pump(job, source, { child, hooks });
    return { result, synced: child.synced().catch(() => false) };
  } catch (error) {
    // Asked now: who hears of the failure may abort while the chisel ends.
    const isAborted = hooks.signal?.aborted === true;
    await child.kill();
    if (isAborted) throwIfAborted(hooks.signal);
    throw error;
  } finally {
    hooks.signal?.removeEventListener('abort', onAbort);
  }
}

/** Errors: `cancelled`. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new EngineError('cancelled', 'Cannot unpack layer: it was cancelled');
}

async function pump(
  job: UnpackJob,
  source: AsyncIterable<Uint8Array>,
  { child, hooks }: { readonly child: UnpackChild; readonly hooks: UnpackHooks },
): Promise<UnpackResult> {
  const encoder = new UnpackEncoder({ sync: true });
  const tree = new LayerTree(encoder, job.tree);
  const parser = new TarParser(new TreeFeeder(tree, encoder), job.tarLimits ?? TAR_LIMITS);
  const { signal } = hooks;
  const decoded = decodeLayer(signal === undefined ? source : interruptible(source, signal), {
    ...(job.decompressLimits === undefined ? {} : { limits: job.decompressLimits }),
    ...(job.isVerified === true && job.digest !== undefined ? { digest: job.digest } : {}),
  });
  const flush = async (): Promise<void> => {
    for (const batch of encoder.takeBatches()) {
      await child.write(batch, () => {
        encoder.recycle(batch);
      });
    }
  };
  for await (const chunk of decoded.tar) {
    throwIfAborted(hooks.signal);
    parser.push(chunk);
    await flush();
    countUsedChunk(chunk.length);
    hooks.onProgress?.(decoded.readBytes());
  }
  parser.finish();
  const results = decoded.results();
  checkResults(job, results);
  const facts = tree.finish(job.tree.hasParent ? await hooks.below?.() : undefined);
  encoder.end();
  await flush();
  await child.finish();
  const { hidesBelow, ...rest } = facts;
  return {
    facts: {
      ...rest,
      diffId: results.diffId,
      ...(hidesBelow ? { hidesBelow } : {}),
      captured: tree.captures.results(tree.root, hidesBelow),
    },
    compression: results.compression,
    digest: results.digest,
    sizeBytes: results.sizeBytes,
    tarBytes: results.tarBytes,
  };
}

function checkResults(job: UnpackJob, results: DecodeResults): void {
  if (job.digest !== undefined && job.digest !== results.digest) {
    throw mismatch('its content does not have the digest of its name', job.digest, results.digest);
  }
  if (job.sizeBytes !== undefined && job.sizeBytes !== results.sizeBytes) {
    throw new EngineError(
      'corrupt',
      `Cannot unpack layer: it has ${results.sizeBytes} bytes where ${job.sizeBytes} were announced`,
    );
  }
  if (job.diffId !== undefined && job.diffId !== results.diffId) {
    throw mismatch(
      'its tar does not have the diff id of the image configuration',
      job.diffId,
      results.diffId,
    );
  }
}

function mismatch(what: string, wanted: Digest, found: Digest): EngineError {
  return new EngineError('corrupt', `Cannot unpack layer: ${what}`, { details: { wanted, found } });
}

/** Hands entries to the tree and wanted data to the encoder. */
class TreeFeeder implements TarHandler {
  readonly #tree: LayerTree;
  readonly #encoder: UnpackEncoder;
  #isWanted = false;

  constructor(tree: LayerTree, encoder: UnpackEncoder) {
    this.#tree = tree;
    this.#encoder = encoder;
  }

  onEntry(entry: TarEntry): void {
    this.#isWanted = this.#tree.addEntry(entry);
  }

  onData(chunk: Uint8Array, offsetBytes: number): void {
    if (!this.#isWanted) return;
    this.#encoder.fileData(chunk, offsetBytes);
    this.#tree.captures.data(chunk, offsetBytes);
  }

  onEnd(): void {
    if (!this.#isWanted) return;
    this.#encoder.endFile();
    this.#tree.captures.end();
  }
}
