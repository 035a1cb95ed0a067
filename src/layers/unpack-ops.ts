/**
 * Encodes what a layer's tree decided as the operations `chisel unpack` runs.
 * Small files travel as one operation; operations are gathered in large
 * buffers, so that one write carries hundreds of files.
 *
 * **Invariant:** an operation is never larger than {@link OP_BYTES_MAX}, and a
 * batch ends at the end of an operation only by accident: it is a byte stream.
 * Source: docs/layer-streams.md "chisel unpack".
 */
import { EngineError } from '../base/error.ts';
import type {
  LayerWriter,
  NodeType,
  WriterAttributes,
  WriterFile,
  WriterNode,
} from './layer-writer.ts';

/** `CRU1`, little endian. */
const MAGIC = 0x31555243;
const VERSION = 1;
const FLAG_SYNC = 1;
const HEADER_BYTES = 16;
const OP_HEADER_BYTES = 8;
/** Largest payload of one operation in bytes; the chisel's buffer is made for it. */
export const OP_BYTES_MAX: number = 1280 * 1024;
/** Files up to this many bytes travel whole in one operation. */
const WHOLE_FILE_MAX = 512 * 1024;
/** Data of one `data` operation in bytes. */
const DATA_MAX = 1024 * 1024;
/** Bytes of one batch. */
const BATCH_BYTES = 256 * 1024;

/** Kinds as in chisel/unpack.h. */
const KIND = {
  changeDirectory: 1,
  makeDirectory: 2,
  file: 3,
  open: 4,
  data: 5,
  close: 6,
  symlink: 7,
  link: 8,
  node: 9,
  unlink: 10,
  removeDirectory: 11,
  attributes: 12,
  inherit: 13,
  copy: 14,
  end: 15,
  below: 16,
} as const;

const NODE_MODE: Readonly<Record<NodeType, number>> = {
  fifo: 0o010000,
  char: 0o020000,
  block: 0o060000,
};

/** A file whose data is still to come. */
interface OpenFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly attributes: WriterAttributes;
  /** All data belongs to the operation that was begun with the file. */
  readonly isWhole: boolean;
  /** Bytes of data so far; a whole file must get all. */
  doneBytes: number;
}

/** A {@link LayerWriter} that makes batches of bytes. */
export class UnpackEncoder implements LayerWriter {
  #batch: Buffer = Buffer.allocUnsafeSlow(BATCH_BYTES);
  #length = 0;
  #ready: Buffer[] = [];
  readonly #free: Buffer[] = [];
  #file: OpenFile | undefined;

  /** `sync`: the chisel brings the files to the disk after its answer. */
  constructor(options: { readonly sync: boolean }) {
    this.#batch.writeUInt32LE(MAGIC, 0);
    this.#batch.writeUInt32LE(VERSION, 4);
    this.#batch.writeUInt32LE(options.sync ? FLAG_SYNC : 0, 8);
    this.#batch.writeUInt32LE(0, 12);
    this.#length = HEADER_BYTES;
  }

  /** Batches that are full; give each back with {@link recycle} once it is written. */
  takeBatches(): readonly Buffer[] {
    const ready = this.#ready;
    this.#ready = [];
    return ready;
  }

  /** A batch from {@link takeBatches} is free again. */
  recycle(batch: Buffer): void {
    if (this.#free.length < 4) this.#free.push(Buffer.from(batch.buffer, 0, BATCH_BYTES));
  }

  /** The last operation; then the rest of the last batch is ready. */
  end(): void {
    this.#begin(KIND.end, 0);
    this.#flush();
  }

  changeDirectory(path: string): void {
    this.#begin(KIND.changeDirectory, textBytes(path));
    this.#text(path);
  }

  makeDirectory(name: string): void {
    this.#begin(KIND.makeDirectory, textBytes(name));
    this.#text(name);
  }

  beginFile({ name, sizeBytes, isDense, attributes }: WriterFile): void {
    const isWhole =
      isDense && sizeBytes <= WHOLE_FILE_MAX && attributesBytes(attributes) <= WHOLE_FILE_MAX;
    this.#file = { name, sizeBytes, attributes, isWhole, doneBytes: 0 };
    if (!isWhole) {
      this.#begin(KIND.open, textBytes(name));
      this.#text(name);
      return;
    }
    this.#begin(KIND.file, textBytes(name) + attributesBytes(attributes) + sizeBytes);
    this.#text(name);
    this.#attributes(attributes, 0);
  }

  fileData(chunk: Uint8Array, offsetBytes: number): void {
    const file = this.#openFile();
    file.doneBytes += chunk.length;
    if (file.isWhole) {
      this.#bytes(chunk);
      return;
    }
    for (let at = 0; at < chunk.length; at += DATA_MAX) {
      const part = chunk.subarray(at, at + DATA_MAX);
      this.#begin(KIND.data, 8 + part.length);
      this.#u64(offsetBytes + at);
      this.#bytes(part);
    }
  }

  endFile(): void {
    const file = this.#openFile();
    this.#file = undefined;
    if (file.isWhole) {
      // A short operation would swallow the next one.
      if (file.doneBytes !== file.sizeBytes)
        throw new EngineError(
          'internal',
          `Cannot write ${file.name}: ${file.doneBytes} of ${file.sizeBytes} bytes came`,
        );
      return;
    }
    this.#begin(KIND.close, 8 + attributesBytes(file.attributes));
    this.#u64(file.sizeBytes);
    this.#attributes(file.attributes, 0);
  }

  makeSymlink(name: string, target: string, attributes: WriterAttributes): void {
    this.#begin(KIND.symlink, textBytes(name) + textBytes(target) + attributesBytes(attributes));
    this.#text(name);
    this.#text(target);
    this.#attributes(attributes, 0);
  }

  makeLink(name: string, targetDirectory: string, targetName: string): void {
    this.#begin(KIND.link, textBytes(name) + textBytes(targetDirectory) + textBytes(targetName));
    this.#text(name);
    this.#text(targetDirectory);
    this.#text(targetName);
  }

  makeNode({ name, type, major, minor, attributes }: WriterNode): void {
    this.#begin(KIND.node, textBytes(name) + 8 + attributesBytes(attributes));
    this.#text(name);
    this.#u32(major);
    this.#u32(minor);
    this.#attributes(attributes, NODE_MODE[type]);
  }

  unlink(name: string): void {
    this.#begin(KIND.unlink, textBytes(name));
    this.#text(name);
  }

  removeDirectory(name: string): void {
    this.#begin(KIND.removeDirectory, textBytes(name));
    this.#text(name);
  }

  setAttributes(attributes: WriterAttributes): void {
    this.#begin(KIND.attributes, attributesBytes(attributes));
    this.#attributes(attributes, 0);
  }

  inheritAttributes(path: string, fallback: WriterAttributes): void {
    this.#begin(KIND.inherit, textBytes(path) + attributesBytes(fallback));
    this.#text(path);
    this.#attributes(fallback, 0);
  }

  copyFromBelow(name: string, path: string): void {
    this.#begin(KIND.copy, textBytes(name) + textBytes(path));
    this.#text(name);
    this.#text(path);
  }

  limitBelow(count: number): void {
    this.#begin(KIND.below, 4);
    this.#u32(count);
  }

  // ── bytes ────────────────────────────────────────────────────────────────

  #openFile(): OpenFile {
    if (this.#file === undefined)
      throw new EngineError('internal', 'Cannot write file data: no file is open');
    return this.#file;
  }

  #begin(kind: number, payloadBytes: number): void {
    if (payloadBytes > OP_BYTES_MAX)
      throw new EngineError('internal', `Cannot encode an operation of ${payloadBytes} bytes`);
    this.#room(OP_HEADER_BYTES);
    const at = this.#length;
    this.#batch.writeUInt32LE(payloadBytes, at);
    this.#batch.writeUInt32LE(kind, at + 4);
    this.#length = at + OP_HEADER_BYTES;
  }

  /** Room for a few bytes that must not be split. */
  #room(bytes: number): void {
    if (this.#length + bytes > BATCH_BYTES) this.#flush();
  }

  #flush(): void {
    if (this.#length > 0) this.#ready.push(this.#batch.subarray(0, this.#length));
    this.#batch = this.#free.pop() ?? Buffer.allocUnsafeSlow(BATCH_BYTES);
    this.#length = 0;
  }

  #u32(value: number): void {
    this.#room(4);
    this.#batch.writeUInt32LE(value, this.#length);
    this.#length += 4;
  }

  /** Two's complement; exact for safe integers. */
  #u64(value: number): void {
    this.#room(8);
    this.#batch.writeUInt32LE(value >>> 0, this.#length);
    this.#batch.writeInt32LE(Math.floor(value / 2 ** 32), this.#length + 4);
    this.#length += 8;
  }

  #text(text: string): void {
    this.#room(2 + text.length + 1);
    const at = this.#length;
    this.#batch.writeUInt16LE(text.length, at);
    this.#batch.write(text, at + 2, 'latin1');
    this.#batch[at + 2 + text.length] = 0;
    this.#length = at + 3 + text.length;
  }

  #bytes(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      if (this.#length === BATCH_BYTES) this.#flush();
      const part = data.subarray(at, at + BATCH_BYTES - this.#length);
      this.#batch.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
    }
  }

  #attributes(attributes: WriterAttributes, type: number): void {
    this.#room(ATTRIBUTES_BYTES);
    this.#u32(attributes.mode | type);
    this.#u32(attributes.uid);
    this.#u32(attributes.gid);
    this.#u64(attributes.mtimeS);
    this.#u32(attributes.mtimeNs);
    this.#u32(attributes.xattrs.length);
    for (const { name, value, isOptional } of attributes.xattrs) {
      this.#room(2);
      this.#length = this.#batch.writeUInt16LE(isOptional ? 1 : 0, this.#length);
      this.#text(name);
      this.#u32(value.length);
      this.#bytes(value);
    }
  }
}

const ATTRIBUTES_BYTES = 28;

function textBytes(text: string): number {
  return 3 + text.length;
}

function attributesBytes(attributes: WriterAttributes): number {
  return attributes.xattrs.reduce(
    (sum, { name, value }) => sum + 2 + textBytes(name) + 4 + value.length,
    ATTRIBUTES_BYTES,
  );
}
