/**
 * Columns of `top`, and which of them a `ps` argument text asks for, pure.
 * carve runs no `ps`: a program found by a search path has no business with
 * the engine's rights (security matrix R24).
 *
 * Source: ps(1) of procps; Engine API `GET /containers/{id}/top`.
 */

import { EngineError } from '../../../base/error.ts';
import type { ProcessFacts } from './process-table.ts';
import { TICKS_PER_S } from './process-table.ts';

/** Moments and sizes that columns need besides the process. */
export interface ColumnContext {
  /** Seconds since the epoch. */
  readonly nowS: number;
  /** Seconds since the epoch at boot. */
  readonly bootS: number;
  /** Bytes of the machine's memory. */
  readonly memoryBytes: number;
}

/** A title and how to fill its cells. */
export interface Column {
  readonly title: string;
  readonly cell: (process: ProcessFacts, context: ColumnContext) => string;
}

const column = (title: string, cell: Column['cell']): Column => ({ title, cell });

/** By the names of `ps -o`. */
const COLUMNS: Readonly<Record<string, Column>> = {
  user: column('USER', (p) => p.user),
  uname: column('USER', (p) => p.user),
  uid: column('UID', (p) => String(p.uid)),
  euid: column('EUID', (p) => String(p.uid)),
  pid: column('PID', (p) => String(p.pid)),
  ppid: column('PPID', (p) => String(p.ppid)),
  c: column('C', (p, context) => String(Math.floor(cpuPercent(p, context)))),
  pcpu: column('%CPU', (p, context) => cpuPercent(p, context).toFixed(1)),
  '%cpu': column('%CPU', (p, context) => cpuPercent(p, context).toFixed(1)),
  pmem: column('%MEM', (p, context) => memoryPercent(p, context)),
  '%mem': column('%MEM', (p, context) => memoryPercent(p, context)),
  vsz: column('VSZ', (p) => String(Math.floor(p.virtualBytes / 1024))),
  rss: column('RSS', (p) => String(Math.floor(p.residentBytes / 1024))),
  tty: column('TTY', (p) => formatTty(p.tty)),
  tt: column('TT', (p) => formatTty(p.tty)),
  tname: column('TTY', (p) => formatTty(p.tty)),
  stat: column('STAT', (p) => p.state + niceLetter(p)),
  s: column('S', (p) => p.state),
  state: column('S', (p) => p.state),
  stime: column('STIME', (p, context) => formatStart(p, context)),
  start: column('STARTED', (p, context) => formatStart(p, context)),
  start_time: column('START', (p, context) => formatStart(p, context)),
  etime: column('ELAPSED', (p, context) => formatElapsed(elapsedS(p, context))),
  etimes: column('ELAPSED', (p, context) => String(Math.floor(elapsedS(p, context)))),
  time: column('TIME', (p) => formatLong(p.cpuTicks / TICKS_PER_S)),
  cputime: column('TIME', (p) => formatLong(p.cpuTicks / TICKS_PER_S)),
  nlwp: column('NLWP', (p) => String(p.threads)),
  thcount: column('THCNT', (p) => String(p.threads)),
  ni: column('NI', (p) => String(p.nice)),
  nice: column('NI', (p) => String(p.nice)),
  pri: column('PRI', (p) => String(39 - p.priority)),
  comm: column('COMMAND', (p) => p.comm),
  ucmd: column('CMD', (p) => p.comm),
  cmd: column('CMD', (p) => p.args),
  args: column('COMMAND', (p) => p.args),
  command: column('COMMAND', (p) => p.args),
};

/** `-f`: full format, with the user's name under UID. */
const FULL: readonly Column[] = [
  column('UID', (p) => p.user),
  ...pick('pid', 'ppid', 'c', 'stime', 'tty', 'time', 'cmd'),
];
const SHORT: readonly Column[] = pick('pid', 'tty', 'time', 'ucmd');
const BSD_USER: readonly Column[] = [
  ...pick('user', 'pid', '%cpu', '%mem', 'vsz', 'rss', 'tty', 'stat'),
  column('START', (p, context) => formatStart(p, context)),
  column('TIME', (p) => formatShort(p.cpuTicks / TICKS_PER_S)),
  ...pick('command'),
];
const BSD_SHORT: readonly Column[] = [
  ...pick('pid', 'tty', 'stat'),
  column('TIME', (p) => formatShort(p.cpuTicks / TICKS_PER_S)),
  ...pick('command'),
];

function pick(...names: readonly string[]): readonly Column[] {
  return names.flatMap((name) => COLUMNS[name] ?? []);
}

/** Columns for a `ps` argument text; empty means `-ef`. Errors: `invalid` for what carve does not know. */
export function columnsFor(psArgs: string): readonly Column[] {
  const words = psArgs.trim() === '' ? ['-ef'] : psArgs.trim().split(/\s+/);
  const named: Column[] = [];
  let form: readonly Column[] | undefined;
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const custom = /^-?([a-zA-Z]*)o(.*)$/.exec(word);
    if (custom !== null && /^[eAax]*$/.test(custom[1] ?? '')) {
      const list = custom[2] === '' ? (words[++at] ?? '') : (custom[2] ?? '');
      named.push(...parseList(list));
    } else form = formOf(word);
  }
  return named.length > 0 ? named : (form ?? FULL);
}

function formOf(word: string): readonly Column[] {
  if (/^-[eAaxwfF]+$/.test(word)) return /f/i.test(word) ? FULL : SHORT;
  if (/^[auxwf]+$/.test(word)) return word.includes('u') ? BSD_USER : BSD_SHORT;
  throw new EngineError(
    'invalid',
    `Cannot list processes by ${JSON.stringify(word.slice(0, 40))}: carve knows -e, -f, -o COLUMNS and the forms ef, aux`,
  );
}

/** `pid,user=WHO,cmd`. */
function parseList(list: string): readonly Column[] {
  return list.split(',').map((entry) => {
    const equals = entry.indexOf('=');
    const name = equals < 0 ? entry : entry.slice(0, equals);
    const found = Object.hasOwn(COLUMNS, name) ? COLUMNS[name] : undefined;
    if (found === undefined)
      throw new EngineError(
        'invalid',
        `Cannot list processes: unknown column ${JSON.stringify(name.slice(0, 40))}`,
      );
    return equals < 0 ? found : { ...found, title: entry.slice(equals + 1) };
  });
}

function elapsedS(process: ProcessFacts, context: ColumnContext): number {
  return Math.max(0, context.nowS - context.bootS - process.startTicks / TICKS_PER_S);
}

function cpuPercent(process: ProcessFacts, context: ColumnContext): number {
  const seconds = elapsedS(process, context);
  return seconds < 0.01 ? 0 : (process.cpuTicks / TICKS_PER_S / seconds) * 100;
}

function memoryPercent(process: ProcessFacts, context: ColumnContext): string {
  return ((process.residentBytes / context.memoryBytes) * 100).toFixed(1);
}

function niceLetter(process: ProcessFacts): string {
  if (process.nice < 0) return '<';
  return process.nice > 0 ? 'N' : '';
}

/** Source: proc_pid_stat(5): minor in bits 7..0 and 31..20, major in 15..8. */
function formatTty(device: number): string {
  if (device === 0) return '?';
  const major = (device >> 8) & 0xff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : `tty${minor}`;
}

const pad = (value: number): string => String(Math.floor(value)).padStart(2, '0');

function formatLong(seconds: number): string {
  return `${pad(seconds / 3600)}:${pad((seconds / 60) % 60)}:${pad(seconds % 60)}`;
}

function formatShort(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${pad(seconds % 60)}`;
}

function formatElapsed(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const clock = `${pad((seconds / 60) % 60)}:${pad(seconds % 60)}`;
  if (seconds < 3600) return clock;
  return `${days > 0 ? `${days}-` : ''}${pad((seconds / 3600) % 24)}:${clock}`;
}

/** Time of day today, else the date, in UTC. */
function formatStart(process: ProcessFacts, context: ColumnContext): string {
  const startMs = (context.bootS + process.startTicks / TICKS_PER_S) * 1000;
  const iso = new Date(startMs).toISOString();
  if (context.nowS * 1000 - startMs < 86_400_000) return iso.slice(11, 16);
  const month = [
    'Jan',
    'Feb',
    'Mar',
    'Apr',
    'May',
    'Jun',
    'Jul',
    'Aug',
    'Sep',
    'Oct',
    'Nov',
    'Dec',
  ];
  return `${month[Number(iso.slice(5, 7)) - 1] ?? ''}${iso.slice(8, 10)}`;
}
