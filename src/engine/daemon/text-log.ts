/** The daemon's log: one line per message on standard error. */

import { writeSync } from 'node:fs';
import type { Log, LogFacts } from '../../base/log.ts';
import type { LogLevel } from './flags.ts';

const ORDER: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3 };
const STDERR = 2;

/** Writes messages of `least` importance and above. */
export function textLog(least: LogLevel, now: () => Date): Log {
  const at =
    (level: LogLevel) =>
    (message: string, facts: LogFacts = {}): void => {
      if (ORDER[level] >= ORDER[least]) write(formatLine(now(), level, { message, facts }));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** `2026-11-23T16:10:02.123Z warn  message key="value"`; line breaks cannot forge a line. */
export function formatLine(
  time: Date,
  level: LogLevel,
  what: { readonly message: string; readonly facts: LogFacts },
): string {
  const facts = Object.entries(what.facts).map(
    ([key, value]) => ` ${key}=${String(JSON.stringify(value))}`,
  );
  const message = what.message.replaceAll(/[\r\n]+/g, ' ');
  return `${time.toISOString()} ${level.padEnd(5)} ${message}${facts.join('')}\n`;
}

function write(line: string): void {
  try {
    writeSync(STDERR, line);
  } catch {
    // Nobody reads it any more, or the disk is full: neither is a reason to stop.
  }
}
