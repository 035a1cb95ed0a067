/** Questions to the user, and secrets that do not show while they are typed. */

import { EngineError } from '../base/error.ts';
import type { Io } from './io.ts';
import { enterRawMode } from './session/terminal.ts';

/** Longest answer, in characters. */
const answerLengthMax = 64 * 1024;

/** A line of the user's, without its end. Throws `invalid` when there is nobody to ask. */
export async function readWord(io: Io, question: string): Promise<string> {
  if (!io.stdin.isTerminal)
    throw new EngineError('invalid', 'Cannot ask for a login: standard input is no terminal');
  await io.stdout.write(question);
  let text = '';
  for await (const chunk of io.stdin.chunks()) {
    text += Buffer.from(chunk).toString('utf8');
    if (/[\r\n]/.test(text) || text.length > answerLengthMax) break;
  }
  return text.split(/[\r\n]/)[0]?.trim() ?? '';
}

/** A secret: typed without echo after `question`, or all of standard input when that is no terminal. */
export async function readSecret(io: Io, question?: string): Promise<string> {
  if (question === undefined || !io.stdin.isTerminal) {
    if (question !== undefined)
      throw new EngineError('invalid', 'Cannot ask for a password: standard input is no terminal');
    return await readAll(io);
  }
  // Before the question: whoever types at once must not see it.
  const terminal = enterRawMode(io);
  try {
    await io.stdout.write(question);
    return await readTyped(io);
  } finally {
    terminal.restore();
    await io.stdout.write('\n');
  }
}

async function readAll(io: Io): Promise<string> {
  let text = '';
  for await (const chunk of io.stdin.chunks()) {
    text += Buffer.from(chunk).toString('utf8');
    if (text.length > answerLengthMax)
      throw new EngineError('invalid', 'The password on standard input is too long');
  }
  return text.replace(/\r?\n$/, '');
}

/** Keys until Enter; Backspace takes one back, Ctrl-C gives up. */
async function readTyped(io: Io): Promise<string> {
  let typed: string[] = [];
  for await (const chunk of io.stdin.chunks()) {
    for (const key of Buffer.from(chunk).toString('utf8')) {
      if (key === '\r' || key === '\n' || key === '\x04') return typed.join('');
      if (key === '\x03') throw new EngineError('cancelled', 'Interrupted');
      if (key === '\x7f' || key === '\b') typed.pop();
      else if (key === '\x15') typed = [];
      else typed.push(key);
    }
  }
  return typed.join('');
}
