/**
 * The parts of the C half: the files of each, how much code they may be, and
 * whose headers they may include. What runs before a container's program, with
 * every right, knows none of the others. Source: docs/decisions/0033.
 */

/** One part. */
export interface ChiselPart {
  readonly name: string;
  /** Names in `chisel/`. */
  readonly files: readonly string[];
  /** Lines of code, without comments and empty lines; to be lowered with the code, raised only by a decision. */
  readonly maxLines: number;
  /** Parts whose headers it may include, besides its own. */
  readonly includes: readonly string[];
}

/** Every file of the chisel but the generated header is in one of them. */
export const CHISEL_PARTS: readonly ChiselPart[] = [
  {
    name: 'start',
    files: [
      'bytes.h',
      'child.c',
      'chisel.h',
      'decode.c',
      'execute.c',
      'files.c',
      'host.c',
      'identity.c',
      'init.c',
      'io.c',
      'kernel.h',
      'mount.c',
      'namespace.c',
      'netlink.c',
      'path.c',
      'reserve.c',
      'run.h',
      'spawn.c',
      'tree.c',
    ],
    maxLines: 2500,
    includes: [],
  },
  { name: 'entry', files: ['main.c'], maxLines: 100, includes: ['start', 'layers', 'copies'] },
  {
    name: 'bpf',
    files: ['bpf.c', 'bpf.h', 'device.c', 'keep.c'],
    maxLines: 170,
    includes: ['start'],
  },
  {
    name: 'monitor',
    files: [
      'attach-exec.c',
      'attach-input.c',
      'attach.c',
      'attach.h',
      'client.c',
      'client.h',
      'exit-record.c',
      'exit-record.h',
      'monitor-output.c',
      'monitor-start.c',
      'monitor.c',
      'monitor.h',
      'session.c',
      'session.h',
      'wait.c',
      'wait.h',
    ],
    maxLines: 1750,
    includes: ['start', 'log', 'names', 'relay'],
  },
  {
    name: 'log',
    files: [
      'json-log.c',
      'json-log.h',
      'log-internal.h',
      'log-read.c',
      'log.c',
      'log.h',
      'pages.h',
    ],
    maxLines: 800,
    includes: ['start'],
  },
  {
    name: 'names',
    files: ['resolver.c', 'resolver.h'],
    maxLines: 450,
    includes: ['start', 'monitor', 'log'],
  },
  {
    name: 'relay',
    files: ['relay-datagrams.c', 'relay-internal.h', 'relay-streams.c', 'relay.c', 'relay.h'],
    maxLines: 480,
    includes: ['start', 'monitor'],
  },
  {
    name: 'layers',
    files: [
      'copy.c',
      'copy.h',
      'field.h',
      'remove.c',
      'remove.h',
      'stack.c',
      'stack.h',
      'unpack.c',
      'unpack.h',
      'walk.c',
      'walk.h',
    ],
    maxLines: 1550,
    includes: ['start', 'copies'],
  },
  {
    name: 'copies',
    files: ['duplicate.c', 'duplicate.h', 'quota.c'],
    maxLines: 330,
    includes: ['start', 'layers'],
  },
];

/** The part of a file, by its name in `chisel/`. */
export function partOf(
  name: string,
  parts: readonly ChiselPart[] = CHISEL_PARTS,
): ChiselPart | undefined {
  return parts.find(({ files }) => files.includes(name));
}
