/**
 * A tree that nobody may touch: everything a file system holds, described to
 * the last inode, so that any change at all is seen.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** Makes the tree in `directory`, which it creates. */
export function makeCanary(directory: string): void {
  mkdirSync(join(directory, 'sub/deep'), { recursive: true });
  writeFileSync(join(directory, 'file'), 'untouched\n', { mode: 0o600 });
  writeFileSync(join(directory, 'sub/deep/file'), 'untouched too\n', { mode: 0o640 });
  writeFileSync(join(directory, 'su'), 'a program\n');
  chmodSync(join(directory, 'su'), 0o4755);
  symlinkSync('file', join(directory, 'link'));
  linkSync(join(directory, 'file'), join(directory, 'hard'));
  execFileSync('mkfifo', [join(directory, 'pipe')]);
  execFileSync('setfattr', ['-n', 'user.canary', '-v', 'sings', join(directory, 'file')]);
}

/** Path, type, mode, owner, inode, links, times, target, attributes and content of everything in `directory`. */
export function describeCanary(directory: string): readonly string[] {
  const format = '%P %y %#m %U:%G %i %n %s %T@ %C@ %l\\n';
  const found = execFileSync('find', [directory, '-printf', format], { encoding: 'latin1' });
  const attributes = execFileSync('getfattr', ['-R', '-h', '-d', '-m', '-', directory], {
    encoding: 'latin1',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const lines = found.split('\n').filter((line) => line !== '');
  const contents = lines.flatMap((line) => {
    const path = join(directory, line.split(' ', 1)[0] ?? '');
    if (!lstatSync(path).isFile()) return [];
    return [`${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`];
  });
  return [...lines.toSorted(), attributes, ...contents.toSorted()];
}

/**
 * The same for a quick look after each attack: a change of anything moves an
 * inode's change time, and only the kernel sets that.
 */
export function glanceAtCanary(directory: string): readonly string[] {
  const names = ['', ...readdirSync(directory, { recursive: true, encoding: 'utf8' })];
  return names.toSorted().map((name) => {
    const { ino, mode, nlink, ctimeNs } = lstatSync(join(directory, name), { bigint: true });
    return [name, ino, mode, nlink, ctimeNs].join(' ');
  });
}
