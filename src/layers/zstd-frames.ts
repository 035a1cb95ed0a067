/**
 * Finds the frames of a zstd stream, so that a decoder is never handed bytes of
 * two frames at once: decoders of the runtimes stop at, or swallow, what follows
 * the first. Skippable frames are dropped; a cut or foreign tail is an error.
 *
 * Source: RFC 8878 §3.1 (frames, blocks, skippable frames).
 */
import { EngineError } from '../base/error.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** What the next collected bytes are, or `run` for bytes that only pass. */
type Part = 'magic' | 'skip-size' | 'descriptor' | 'block' | 'run';

/** An incremental splitter of a zstd stream. */
export class ZstdFrames {
  readonly #collected: Buffer = Buffer.alloc(4);
  #have = 0;
  #need = 4;
  #part: Part = 'magic';
  /** Bytes of the current run still to pass, and what stands behind it. */
  #run = 0;
  #afterRun: 'block' | 'frame-end' = 'frame-end';
  #isSkipping = false;
  #hasChecksum = false;
  /** Bytes of a magic number that turned out to be a frame's. */
  #held: Buffer[] = [];

  /** Pieces of `chunk` for the decoder, none of which crosses the end of a frame. Errors: `corrupt`. */
  push(chunk: Buffer): readonly Buffer[] {
    const pieces: Buffer[] = [];
    let from = 0;
    let at = 0;
    const emit = (end: number): void => {
      if (!this.#isSkipping && this.#part !== 'magic' && end > from)
        pieces.push(chunk.subarray(from, end));
      from = end;
    };
    while (at < chunk.length) {
      if (this.#part === 'run') {
        const taken = Math.min(this.#run, chunk.length - at);
        at += taken;
        this.#run -= taken;
        if (this.#run === 0 && this.#afterRun === 'frame-end') {
          emit(at);
          this.#expect('magic', 4);
          this.#isSkipping = false;
        } else if (this.#run === 0) this.#expect('block', 3);
        continue;
      }
      this.#collected[this.#have++] = chunk[at++] ?? 0;
      if (this.#have < this.#need) continue;
      if (this.#part === 'magic') {
        this.#onMagic();
        from = at;
        pieces.push(...this.#held);
        this.#held = [];
      } else this.#onCollected();
    }
    emit(at);
    return pieces;
  }

  /** No more bytes. Errors: `corrupt` in the middle of a frame. */
  finish(): void {
    const isAtEnd = this.#part === 'run' && this.#run === 0 && this.#afterRun === 'frame-end';
    if (!isAtEnd && (this.#part !== 'magic' || this.#have > 0)) throw damaged('it is truncated');
  }

  #expect(part: 'magic' | 'skip-size' | 'descriptor' | 'block', bytes: number): void {
    this.#part = part;
    this.#have = 0;
    this.#need = bytes;
  }

  #pass(bytes: number, after: 'block' | 'frame-end'): void {
    this.#part = 'run';
    this.#run = bytes;
    this.#afterRun = after;
  }

  #onMagic(): void {
    const magic = this.#collected.readUInt32LE(0);
    if (magic === MAGIC) {
      this.#held = [Buffer.from(this.#collected)];
      this.#expect('descriptor', 1);
    } else if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      this.#isSkipping = true;
      this.#expect('skip-size', 4);
    } else throw damaged('something else follows a frame');
  }

  #onCollected(): void {
    if (this.#part === 'skip-size') {
      const size = this.#collected.readUInt32LE(0);
      if (size > 0) this.#pass(size, 'frame-end');
      else {
        this.#expect('magic', 4);
        this.#isSkipping = false;
      }
    } else if (this.#part === 'descriptor') this.#onDescriptor(this.#collected[0] ?? 0);
    else this.#onBlock(this.#collected.readUIntLE(0, 3));
  }

  #onDescriptor(descriptor: number): void {
    const isSingle = (descriptor & 0x20) !== 0;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const content = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    const rest = (isSingle ? 0 : 1) + dictionary + content;
    if (rest > 0) this.#pass(rest, 'block');
    else this.#expect('block', 3);
  }

  #onBlock(header: number): void {
    const isLast = (header & 1) !== 0;
    const type = (header >> 1) & 3;
    if (type === 3) throw damaged('it has a block of an unknown type');
    const size = (type === 1 ? 1 : header >>> 3) + (isLast && this.#hasChecksum ? 4 : 0);
    if (size > 0) this.#pass(size, isLast ? 'frame-end' : 'block');
    else if (!isLast) this.#expect('block', 3);
    // An empty last block without a checksum: the frame ends with this byte.
    else this.#pass(0, 'frame-end');
  }
}

function damaged(why: string): EngineError {
  return new EngineError('corrupt', `Cannot decompress layer: its zstd stream is damaged (${why})`);
}
