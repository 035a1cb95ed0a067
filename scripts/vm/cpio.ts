/**
 * Writes a cpio archive in the "new ASCII" format, which the kernel unpacks as
 * its initial file system. Reproducible: owners, times and inode numbers are
 * not the build machine's.
 *
 * Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
 */

/** One entry; parents come before their children. */
export interface CpioEntry {
  /** Path without a leading slash. */
  readonly name: string;
  /** File type and permission bits, as in `st_mode`. */
  readonly mode: number;
  /** Contents of a file, target of a link, nothing for others. */
  readonly data?: Uint8Array;
  /** Device major number of a device node. */
  readonly major?: number;
  /** Device minor number of a device node. */
  readonly minor?: number;
}

const TRAILER: CpioEntry = { name: 'TRAILER!!!', mode: 0 };

/** All entries and the trailer, as the bytes of one archive. */
export function encodeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts = [...entries, TRAILER].flatMap((entry, index) => encodeEntry(entry, index + 1));
  return Buffer.concat(parts);
}

function encodeEntry(entry: CpioEntry, inode: number): readonly Uint8Array[] {
  const name = Buffer.from(`${entry.name}\0`);
  const data = entry.data ?? new Uint8Array();
  const fields = [
    inode,
    entry.mode,
    0, // uid
    0, // gid
    1, // links
    0, // mtime
    data.length,
    0, // major of the device it is on
    0, // minor of the device it is on
    entry.major ?? 0,
    entry.minor ?? 0,
    name.length,
    0, // checksum, unused in this format
  ];
  const header = `070701${fields.map((value) => value.toString(16).padStart(8, '0')).join('')}`;
  const head = Buffer.concat([Buffer.from(header), name]);
  return [padded(head), padded(data)];
}

/** Fills up to a multiple of four bytes. */
function padded(bytes: Uint8Array): Uint8Array {
  const rest = (4 - (bytes.length % 4)) % 4;
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(rest)]);
}
