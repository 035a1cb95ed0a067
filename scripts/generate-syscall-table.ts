/**
 * Writes `src/kernel/bpf/syscall-table.ts` from the kernel's own headers, so
 * that no number is typed by hand. Run at development time only:
 *
 *     node scripts/generate-syscall-table.ts x86_64=DIR x32=DIR i386=DIR aarch64=DIR arm=DIR
 *
 * where DIR is an include directory with `asm/unistd*.h` (Debian:
 * `linux-libc-dev`, `linux-libc-dev-{arm64,armhf}-cross`). Calls newer than
 * the headers are added from `NEWER`.
 *
 * Source: Linux 6.18 `scripts/syscall.tbl`, `arch/x86/entry/syscalls/*.tbl`.
 */

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { argv } from 'node:process';

/** Calls of every architecture that Debian 12's headers do not have yet. */
const NEWER: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};
/** Calls of x86-64 only. */
const NEWER_X86_64: Readonly<Record<string, number>> = { uretprobe: 335, uprobe: 336 };

const HEADERS: Readonly<Record<string, string>> = {
  x86_64: 'asm/unistd_64.h',
  x32: 'asm/unistd_x32.h',
  i386: 'asm/unistd_32.h',
  aarch64: 'asm/unistd.h',
  arm: 'asm/unistd.h',
};
const X32_BIT = 0x40000000;
/** `__NR_` names that are not calls. */
const NOT_CALLS = new Set([
  'Linux',
  'syscalls',
  'arch_specific_syscall',
  'SYSCALL_BASE',
  'SYSCALL_MASK',
  'OABI_SYSCALL_BASE',
  'BASE',
]);
/** x32 has the numbers of x86-64 but for those from here on. */
const X32_OWN_FROM = 512;

function readNumbers(abi: string, dir: string): Map<number, string> {
  const defines = readDefines(abi, dir);
  const numbers = new Map<number, string>();
  for (const [key, value] of defines) {
    const name = /^__(?:ARM_)?NR_(\w+)$/.exec(key)?.[1];
    if (name === undefined || NOT_CALLS.has(name)) continue;
    const number = evaluate(value, defines);
    if (number === undefined) continue;
    if (abi !== 'x32') numbers.set(number, name);
    else if ((number & ~X32_BIT) >= X32_OWN_FROM) numbers.set(number & ~X32_BIT, name);
  }
  return numbers;
}

/** Every define that the header gives the preprocessor. */
function readDefines(abi: string, dir: string): ReadonlyMap<string, string> {
  const args = ['-E', '-dM', '-nostdinc', `-I${dir}`, `-I${dir}/..`, '-x', 'c', '-'];
  if (abi === 'arm') args.unshift('-D__ARM_EABI__');
  if (abi === 'aarch64') args.unshift('-D__aarch64__', '-D__BITS_PER_LONG=64');
  const header = HEADERS[abi] ?? 'asm/unistd.h';
  const text = execFileSync('gcc', args, { input: `#include <${header}>\n`, encoding: 'utf8' });
  const defines = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^#define (\S+) (.+)$/.exec(line);
    if (match?.[1] !== undefined && match[2] !== undefined) defines.set(match[1], match[2]);
  }
  return defines;
}

/** Value of a define: a number, another define, or `(a + b)` of those. */
function evaluate(text: string, defines: ReadonlyMap<string, string>): number | undefined {
  const sum = /^\((.+?)\s*\+\s*(.+)\)$/.exec(text);
  if (sum?.[1] !== undefined && sum[2] !== undefined) {
    const left = evaluate(sum[1], defines);
    const right = evaluate(sum[2], defines);
    return left === undefined || right === undefined ? undefined : left + right;
  }
  if (/^(0x[0-9a-fA-F]+|\d+)$/.test(text)) return Number(text);
  if (text === '__X32_SYSCALL_BIT') return X32_BIT;
  const next = defines.get(text);
  return next === undefined ? undefined : evaluate(next, defines);
}

/** `0 read write … 424 pidfd_send_signal`: a number sets the counter, a name uses it and adds one. */
function formatTable(numbers: ReadonlyMap<number, string>): string {
  const lines: string[] = [];
  let line = '';
  let expected = -1;
  for (const number of [...numbers.keys()].sort((a, b) => a - b)) {
    const name = numbers.get(number) ?? '';
    const token = number === expected ? name : `${number} ${name}`;
    if (line.length + token.length > 96) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += `${token} `;
    expected = number + 1;
  }
  lines.push(line.trimEnd());
  return lines.map((each) => `    ${each}`).join('\n');
}

const tables: string[] = [];
for (const argument of argv.slice(2)) {
  const [abi = '', dir = ''] = argument.split('=');
  const numbers = readNumbers(abi, dir);
  const newer = abi === 'x86_64' ? { ...NEWER, ...NEWER_X86_64 } : abi === 'x32' ? {} : NEWER;
  for (const [name, number] of Object.entries(newer)) {
    const known = numbers.get(number);
    if (known !== undefined && known !== name)
      throw new Error(`${abi}: ${number} is ${known}, not ${name}`);
    numbers.set(number, name);
  }
  tables.push(`  ${abi}: \`\n${formatTable(numbers)}\``);
}

writeFileSync(
  new URL('../src/kernel/bpf/syscall-table.ts', import.meta.url),
  `/**
 * System call numbers of Linux 6.18, per calling convention. Generated by
 * \`scripts/generate-syscall-table.ts\`; do not edit.
 *
 * A number sets the counter, a name takes the counter's value and adds one.
 * x32 has the numbers of x86_64 plus bit 30, and its own ones, written here
 * without that bit.
 *
 * Source: the kernel's asm/unistd headers.
 */

/** The tables as text; \`syscalls.ts\` reads them. */
export const SYSCALL_TABLE: Readonly<Record<'x86_64' | 'x32' | 'i386' | 'aarch64' | 'arm', string>> = {
${tables.join(',\n')},
};
`,
);
