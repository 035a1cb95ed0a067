/**
 * `npm test` as root runs in a pid and mount namespace with a /tmp of its own:
 * whatever a failed test leaves goes with it, and what else happens on the
 * machine cannot be taken for a leak. The network stays the machine's.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from './tools.ts';

const MARK = 'CARVE_TEST_ISOLATED';

/** A shell is the namespace's first process, because that one has to reap orphans. */
const FIRST = `
if [ -n "$1" ]; then mount --bind "$1" /tmp || exit 125; fi
shift
"$@"
exit $?
`;

/** Runs this same program again in isolation and exits with its code. Returns at once when it already is, or without root. */
export function enterIsolation(): void {
  if (process.getuid?.() !== 0 || process.env[MARK] === '1') return;
  const temporary = mkdtempSync(join(tmpdir(), 'carve-test-'));
  chmodSync(temporary, 0o1777);
  // A checkout below /tmp must stay visible.
  const shown = ROOT.startsWith('/tmp/') ? '' : temporary;
  const words = [process.execPath, ...process.argv.slice(1)];
  const argv = ['--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', FIRST, 'sh', shown];
  const { status, error } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'unshare', ...argv, ...words],
    { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } },
  );
  rmSync(temporary, { recursive: true, force: true });
  if (error !== undefined) throw error;
  process.exit(status ?? 1);
}
