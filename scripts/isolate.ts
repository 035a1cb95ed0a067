/**
 * `npm test` as root runs in pid, mount, cgroup and network namespaces with a
 * /tmp of its own: whatever a failed test leaves goes with it, and what else
 * happens on the machine cannot be taken for a leak. Of the network there is
 * loopback only: no test reaches the machine's links, routes or firewall, but
 * by {@link OUTSIDE_NETWORK}, for a program that downloads.
 *
 * Source: unshare(1), cgroup_namespaces(7), Linux admin-guide/cgroup-v2.rst
 * "Delegation", "No Internal Process Constraint".
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeTestCgroups, removeTestCgroups } from './test-cgroups.ts';
import { ROOT } from './tools.ts';

const MARK = 'CARVE_TEST_ISOLATED';

/** Environment variable with the path of the machine's network namespace, held by the first process of the isolation; unset where there is none. */
export const OUTSIDE_NETWORK = 'CARVE_TEST_OUTSIDE_NETWORK';
const OUTSIDE_DESCRIPTOR = 3;

/** Leaves the machine's namespaces, and holds that of its network. */
const LEAVE = `exec unshare "$@" ${OUTSIDE_DESCRIPTOR}</proc/self/ns/net`;

/** Enters the groups; then a namespace of which they are the roots. Arguments: groups, temporary, checkout, program… */
const ENTER = `
for group in $1; do echo 0 > "$group/cgroup.procs" || exit 125; done
ip link set lo up || exit 125
exec unshare --cgroup sh -c "$REMOUNT" sh "$@"
`;

/**
 * A checkout below /tmp stays where it is, and nothing else does. A shell stays
 * as the namespace's first process, because that one has to reap orphans. With
 * cgroup v2 alone it leaves the root, which may then have limits.
 */
const REMOUNT = `
shift
awk '{ for (i = 7; i < NF; i++) if ($i == "-") { if ($(i+1) ~ /^cgroup2?$/) print $5, $(i+1), $(i+3); break } }' \
  /proc/self/mountinfo | while read -r point type options; do
  umount "$point" || exit 125
  case $type in
    cgroup) mount -t cgroup -o "\${options#rw,}" cgroup "$point" ;;
    cgroup2) mount -t cgroup2 cgroup2 "$point" ;;
  esac || exit 125
done || exit 125
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir /sys/fs/cgroup/init && echo 0 > /sys/fs/cgroup/init/cgroup.procs || exit 125
  for name in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$name" > /sys/fs/cgroup/cgroup.subtree_control
  done
fi
case $2 in
  /tmp/*) mkdir -p "$1/\${2#/tmp/}" && mount --bind "$2" "$1/\${2#/tmp/}" || exit 125 ;;
esac
mount --rbind "$1" /tmp || exit 125
cd "$2" || exit 125
shift 2
(exec "$@" ${OUTSIDE_DESCRIPTOR}<&-)
exit $?
`;

/** True in the process that does the work: as root the one that {@link enterIsolation} started. */
export function isIsolated(): boolean {
  return process.getuid?.() !== 0 || process.env[MARK] === '1';
}

/** Runs this same program again in isolation and exits with its code. Returns at once when it already is, or without root. */
export function enterIsolation(): void {
  if (isIsolated()) return;
  const temporary = mkdtempSync(join(tmpdir(), 'carve-test-'));
  chmodSync(temporary, 0o1777);
  const groups = makeTestCgroups(readFileSync('/proc/self/mountinfo', 'utf8'), process.pid);
  const words = [process.execPath, ...process.argv.slice(1)];
  const namespaces = '--net --pid --fork --kill-child --mount-proc'.split(' ');
  const shell = ['sh', '-c', ENTER, 'sh', groups.join(' '), temporary, ROOT];
  const marks = { [MARK]: '1', [OUTSIDE_NETWORK]: `/proc/1/fd/${OUTSIDE_DESCRIPTOR}` };
  const { status, error } = spawnSync(
    'setpriv',
    ['--pdeathsig', 'KILL', 'sh', '-c', LEAVE, 'sh', ...namespaces, ...shell, ...words],
    { stdio: 'inherit', env: { ...process.env, REMOUNT, ...marks } },
  );
  removeTestCgroups(groups);
  rmSync(temporary, { recursive: true, force: true });
  if (error !== undefined) throw error;
  process.exit(status ?? 1);
}
