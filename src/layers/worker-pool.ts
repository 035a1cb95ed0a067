/**
 * Threads that unpack, kept for a while after their work: the next layer finds
 * the code compiled. A thread is given to one run at a time.
 */
import { Worker } from 'node:worker_threads';
import type { ToWorker } from './unpack-message.ts';

/** Milliseconds that an idle thread is kept: the layers of one pull, and the next pull of a composition. */
const IDLE_MS = 30_000;

/** Threads of one module. */
export class WorkerPool {
  readonly #url: URL;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();

  /** `url`: the module, `unpack-worker.ts` as it is shipped. */
  constructor(url: URL) {
    this.#url = url;
  }

  /** An idle thread, or a new one. It keeps the process alive until it is given back or has ended. */
  take(): Worker {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      worker.ref();
      return worker;
    }
    const worker = new Worker(this.#url, { env: {}, stdin: false });
    // Whoever runs something in it listens too; an idle one is replaced.
    worker.on('error', () => this.#idle.delete(worker));
    worker.on('exit', () => {
      clearTimeout(this.#idle.get(worker));
      this.#idle.delete(worker);
    });
    return worker;
  }

  /** Its run is over, but for what the disk still has to write. */
  giveBack(worker: Worker): void {
    worker.unref();
    this.#idle.set(worker, setTimeout(() => this.#end(worker), IDLE_MS).unref());
  }

  /** End those that are idle. */
  close(): void {
    for (const worker of this.#idle.keys()) this.#end(worker);
  }

  #end(worker: Worker): void {
    clearTimeout(this.#idle.get(worker));
    this.#idle.delete(worker);
    worker.postMessage({ kind: 'leave' } satisfies ToWorker);
  }
}
