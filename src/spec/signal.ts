/**
 * Signals as text and number. Source: signal(7), x86-64 and arm64 numbers.
 */

import { EngineError } from '../base/error.ts';

/** Numbers by name without `SIG`. */
const NUMBERS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  IOT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  POLL: 29,
  PWR: 30,
  SYS: 31,
};
/** First and last real-time signal. Source: glibc's view: 32 and 33 are its own. */
const RTMIN = 34;
const RTMAX = 64;

/** `SIGTERM`, `term`, `15`, `RTMIN+3` → number 1..64. Errors: `invalid` in Docker's words. */
export function parseSignal(text: string): number {
  const number = /^\d{1,3}$/.test(text)
    ? Number(text)
    : named(text.toUpperCase().replace(/^SIG/, ''));
  if (number === undefined || number < 1 || number > RTMAX) {
    throw new EngineError('invalid', `invalid signal: ${text}`);
  }
  return number;
}

function named(name: string): number | undefined {
  if (Object.hasOwn(NUMBERS, name)) return NUMBERS[name];
  const match = /^(RTMIN|RTMAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (match === null) return undefined;
  const [, base, sign, offset = '0'] = match;
  if (base === 'RTMIN' ? sign === '-' : sign === '+') return undefined;
  const number = base === 'RTMIN' ? RTMIN + Number(offset) : RTMAX - Number(offset);
  return number >= RTMIN && number <= RTMAX ? number : undefined;
}

/** 15 → `SIGTERM`, 37 → `SIGRTMIN+3`; `SIG` and the number for what has no name. */
export function formatSignal(number: number): string {
  for (const [name, value] of Object.entries(NUMBERS)) if (value === number) return `SIG${name}`;
  if (number >= RTMIN && number <= RTMAX)
    return number === RTMIN ? 'SIGRTMIN' : `SIGRTMIN+${number - RTMIN}`;
  return `SIG${number}`;
}
