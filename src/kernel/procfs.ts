/**
 * Text of /proc → values. Pure; what reads the files is elsewhere.
 *
 * Source: proc_pid_mountinfo(5), proc_pid_cgroup(5), proc_pid_stat(5).
 */

/** One line of `/proc/PID/mountinfo`. */
export interface MountEntry {
  readonly id: number;
  /** Id of the mount it is on. */
  readonly parent: number;
  /** Path of the mount's root in its file system. */
  readonly root: string;
  readonly mountPoint: string;
  /** Per-mount options. */
  readonly options: readonly string[];
  /** `shared:N`, `master:N`, `propagate_from:N`, `unbindable`. */
  readonly optional: readonly string[];
  readonly fsType: string;
  readonly source: string;
  /** Options of the file system. */
  readonly superOptions: readonly string[];
}

/** Every mount; paths are decoded (`\040` is a space). Lines that are not mounts are skipped. */
export function parseMountInfo(text: string): readonly MountEntry[] {
  return text.split('\n').flatMap((line) => {
    const entry = parseMountLine(line);
    return entry === undefined ? [] : [entry];
  });
}

function parseMountLine(line: string): MountEntry | undefined {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  const [id, parent, , root, mountPoint, options] = fields;
  const [fsType, source, superOptions] = dash === -1 ? [] : fields.slice(dash + 1);
  if (root === undefined || mountPoint === undefined || options === undefined) return undefined;
  if (fsType === undefined || source === undefined) return undefined;
  return {
    id: Number(id),
    parent: Number(parent),
    root: decodeOctal(root),
    mountPoint: decodeOctal(mountPoint),
    options: options.split(','),
    optional: fields.slice(6, dash),
    fsType,
    source: decodeOctal(source),
    superOptions: (superOptions ?? '').split(','),
  };
}

/** `\NNN` → the byte; the kernel writes blanks and backslashes so. */
function decodeOctal(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** Membership of a process in one hierarchy. */
export interface CgroupMembership {
  /** Empty for the cgroup v2 hierarchy; `name=systemd` for a named one. */
  readonly controllers: readonly string[];
  /** Path below the hierarchy's root as the reader's cgroup namespace sees it. */
  readonly path: string;
}

/** `/proc/PID/cgroup`. */
export function parseCgroupFile(text: string): readonly CgroupMembership[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) return [];
    const controllers = (match[1] ?? '').split(',').filter((name) => name !== '');
    return [{ controllers, path: match[2] ?? '/' }];
  });
}

/** Start time of `/proc/PID/stat` (field 22) in clock ticks since boot; `undefined` when the text is not one. */
export function parseStartTicks(stat: string): bigint | undefined {
  // The command name may hold blanks and brackets: fields count from its last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = fields[19];
  return ticks !== undefined && /^\d+$/.test(ticks) ? BigInt(ticks) : undefined;
}
