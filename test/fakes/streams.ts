/** Streams of a process, played by a test. */

import { Duplex } from 'node:stream';
import type { Attachment } from '../../src/engine/engine.ts';

/** The engine's end of an attachment: the test says what the process does. */
export class FakeProcess {
  readonly stream: Duplex;
  /** What arrived at stdin, as latin1. */
  input = '';
  /** Stdin was closed. */
  isInputEnded = false;
  /** Set to hold stdin back: the process does not read. */
  isStuck = false;
  #wants: (() => void) | undefined;
  #held: (() => void) | undefined;
  readonly #waiting = new Set<() => void>();

  constructor() {
    this.stream = new Duplex({
      read: () => {
        this.#wants?.();
      },
      write: (chunk: Buffer, _encoding, done) => {
        this.input += chunk.toString('latin1');
        this.#wake();
        if (this.isStuck) this.#held = done;
        else done();
      },
      final: (done) => {
        this.isInputEnded = true;
        this.#wake();
        done();
      },
      destroy: (error, done) => {
        this.#wake();
        done(error);
        queueMicrotask(() => this.#wake());
      },
    });
    this.stream.on('error', () => undefined);
  }

  /** As the engine gives it. */
  attachment(framing: 'raw' | 'multiplexed'): Attachment {
    return { framing, stream: this.stream };
  }

  /** Output. False: the client is slow. */
  say(bytes: string | Uint8Array): boolean {
    return this.stream.push(bytes);
  }

  /** Resolves when the client takes more. */
  async wanted(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wants = () => {
        this.#wants = undefined;
        resolve();
      };
    });
  }

  /** The process ends its output. */
  exit(): void {
    this.stream.push(null);
  }

  /** Reads again. */
  release(): void {
    this.isStuck = false;
    const held = this.#held;
    this.#held = undefined;
    held?.();
  }

  /** Waits for input, its end, or the end of the attachment. */
  async until(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (!isDone()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }
}
