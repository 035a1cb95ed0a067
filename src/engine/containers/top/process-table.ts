/**
 * Processes of the host as `ps` shows them, from text of /proc, pure.
 *
 * Source: proc_pid_stat(5), proc_pid_status(5), proc_pid_cmdline(5); ps(1) for the forms.
 */

/** What is known of one process. */
export interface ProcessFacts {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  /** Login name on the host, or the number. */
  readonly user: string;
  /** Command name, at most 15 bytes. */
  readonly comm: string;
  /** Arguments joined by blanks; `[comm]` when there are none. */
  readonly args: string;
  /** State letter, e.g. `S`. */
  readonly state: string;
  /** Device number of its terminal; 0: none. */
  readonly tty: number;
  readonly nice: number;
  readonly priority: number;
  /** Count of threads. */
  readonly threads: number;
  /** User and system time in clock ticks. */
  readonly cpuTicks: number;
  /** Start in clock ticks since boot. */
  readonly startTicks: number;
  /** Virtual size in bytes. */
  readonly virtualBytes: number;
  /** Resident size in bytes. */
  readonly residentBytes: number;
}

/** Clock ticks per second: what Linux tells programs, on every machine. Source: getconf CLK_TCK. */
export const TICKS_PER_S = 100;
const PAGE_BYTES = 4096;

/** Files of one process. `undefined` when `stat` is not one. */
export function parseProcess(
  files: { readonly stat: string; readonly cmdline: string; readonly uid: number },
  userNames: ReadonlyMap<number, string>,
): ProcessFacts | undefined {
  const open = files.stat.indexOf('(');
  const close = files.stat.lastIndexOf(')');
  if (open < 0 || close < open) return undefined;
  const comm = files.stat.slice(open + 1, close);
  const [state = '?', ...rest] = files.stat
    .slice(close + 2)
    .trim()
    .split(' ');
  const fields = rest.map(Number);
  const field = (number: number): number => fields[number - 4] ?? 0;
  const args = files.cmdline.split('\0').join(' ').trimEnd();
  return {
    pid: Number.parseInt(files.stat, 10),
    ppid: field(4),
    uid: files.uid,
    user: userNames.get(files.uid) ?? String(files.uid),
    comm,
    args: args === '' ? `[${comm}]` : args,
    state,
    tty: field(7),
    priority: field(18),
    nice: field(19),
    threads: field(20),
    cpuTicks: field(14) + field(15),
    startTicks: field(22),
    virtualBytes: field(23),
    residentBytes: field(24) * PAGE_BYTES,
  };
}

/** Names by uid, from the text of a passwd file. */
export function parseUserNames(passwd: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of passwd.split('\n')) {
    const [name = '', , uid = ''] = line.split(':');
    if (name !== '' && /^\d+$/.test(uid) && !names.has(Number(uid))) names.set(Number(uid), name);
  }
  return names;
}
