/**
 * Builds tar bytes by hand, well-formed or not: what tests of the reader and
 * the hostile corpus are made of. Shares no code with the reader or the writer.
 */

/** Fields of one raw header; numbers are written in octal, text as given. */
export interface RawHeader {
  readonly name?: string;
  readonly mode?: number | string;
  readonly uid?: number | string;
  readonly gid?: number | string;
  readonly size?: number | string | Buffer;
  readonly mtime?: number | string | Buffer;
  readonly flag?: string;
  readonly link?: string;
  readonly magic?: string;
  readonly prefix?: string;
  readonly major?: number | string;
  readonly minor?: number | string;
  /** Written over the finished header before the checksum: offset → bytes. */
  readonly patch?: Readonly<Record<number, Buffer>>;
  /** Added to the true checksum. */
  readonly checksumError?: number;
}

/** One 512-byte header. */
export function rawHeader(fields: RawHeader): Buffer {
  const block = Buffer.alloc(512);
  const put = (
    value: number | string | Buffer | undefined,
    at: number,
    length: number,
    fallback: number,
  ): void => {
    if (Buffer.isBuffer(value)) value.copy(block, at, 0, length);
    else if (typeof value === 'string') block.write(value, at, length, 'latin1');
    else
      block.write(
        (value ?? fallback).toString(8).padStart(length - 1, '0'),
        at,
        length - 1,
        'latin1',
      );
  };
  block.write(fields.name ?? '', 0, 100, 'latin1');
  put(fields.mode, 100, 8, 0o644);
  put(fields.uid, 108, 8, 0);
  put(fields.gid, 116, 8, 0);
  put(fields.size, 124, 12, 0);
  put(fields.mtime, 136, 12, 0);
  block.write(fields.flag ?? '0', 156, 1, 'latin1');
  block.write(fields.link ?? '', 157, 100, 'latin1');
  block.write(fields.magic ?? 'ustar\x0000', 257, 8, 'latin1');
  put(fields.major, 329, 8, 0);
  put(fields.minor, 337, 8, 0);
  block.write(fields.prefix ?? '', 345, 155, 'latin1');
  for (const [at, bytes] of Object.entries(fields.patch ?? {})) bytes.copy(block, Number(at));
  block.fill(32, 148, 156);
  let sum = fields.checksumError ?? 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Zeros to the next block. */
export function pad(data: Buffer): Buffer {
  return Buffer.alloc((512 - (data.length % 512)) % 512);
}

/** A header followed by its data. */
export function raw(fields: RawHeader, content: Buffer | string = ''): Buffer {
  const data = Buffer.from(content);
  return Buffer.concat([rawHeader({ size: data.length, ...fields }), data, pad(data)]);
}

/** One pax record. */
export function record(key: string, value: string | Buffer): Buffer {
  const rest = Buffer.concat([
    Buffer.from(` ${key}=`, 'latin1'),
    Buffer.from(value as string, 'latin1'),
    Buffer.from('\n'),
  ]);
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

/** A pax header with records in order. */
export function pax(
  records: readonly (readonly [key: string, value: string | Buffer])[],
  flag = 'x',
): Buffer {
  return raw(
    { name: 'PaxHeaders.0/x', flag },
    Buffer.concat(records.map(([key, value]) => record(key, value))),
  );
}

/** A GNU long name (`L`) or long link (`K`). */
export function gnuLong(flag: 'L' | 'K', text: string): Buffer {
  return raw(
    { name: '././@LongLink', flag, magic: 'ustar  \0' },
    Buffer.from(`${text}\0`, 'latin1'),
  );
}

/** The two zero blocks. */
export const END: Buffer = Buffer.alloc(1024);

/** An archive of parts, with its end. */
export function archive(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, END]);
}

/** Base-256 field of `length` bytes. */
export function base256(value: bigint, length: number): Buffer {
  const field = Buffer.alloc(length);
  let rest = value;
  for (let i = length - 1; i >= 0; i--) {
    field[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  field[0] = value < 0n ? 0xff : (field[0] ?? 0) | 0x80;
  return field;
}
