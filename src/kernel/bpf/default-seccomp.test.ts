import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileSeccomp } from './compile-seccomp.ts';
import { ABSENT, ALLOWED, BY_ARGUMENT, BY_CAPABILITY, DENIED } from './default-policy.ts';
import { defaultSeccomp } from './default-seccomp.ts';
import { SECCOMP_RET } from './instruction.ts';
import { runFilter } from './interpret.ts';
import type { Abi, Machine } from './syscalls.ts';
import { ABIS, abisOf, syscallNumbers, X32_BIT } from './syscalls.ts';

const DOCKER_CAPABILITIES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const NAMES: Readonly<Record<number, string>> = {
  [SECCOMP_RET.ALLOW]: 'allow',
  [SECCOMP_RET.ERRNO | 1]: 'EPERM',
  [SECCOMP_RET.ERRNO | 38]: 'ENOSYS',
  [SECCOMP_RET.KILL_PROCESS]: 'kill',
};

function judge(options: {
  readonly machine?: Machine;
  readonly abi?: Abi;
  readonly extra?: readonly string[];
}): (name: string | number, args?: readonly (number | bigint)[]) => string {
  const machine = options.machine ?? 'x86_64';
  const abi = options.abi ?? abisOf(machine)[0]!;
  const capabilities = new Set([...DOCKER_CAPABILITIES, ...(options.extra ?? [])]);
  const { program } = compileSeccomp(
    defaultSeccomp({ machine, capabilities, evaluation: 'first-match' }),
    machine,
  );
  return (name, args = []) => {
    const number = typeof name === 'number' ? name : syscallNumbers(abi).get(name);
    assert.notEqual(number, undefined, `${abi} has ${name}`);
    const nr = abi === 'x32' ? (number! | X32_BIT) >>> 0 : number!;
    const { value } = runFilter(program, {
      nr,
      arch: ABIS[abi].auditArch,
      args: args.map(BigInt),
    });
    return NAMES[value >>> 0] ?? value.toString(16);
  };
}

const ENOSYS = 'ENOSYS';
const EPERM = 'EPERM';
const ALLOW = 'allow';

const VERDICTS: readonly (readonly [string, string, ...(number | bigint)[]])[] = [
  ['read', ALLOW],
  ['write', ALLOW],
  ['openat', ALLOW],
  ['openat2', ALLOW],
  ['close_range', ALLOW],
  ['mmap', ALLOW],
  ['mprotect', ALLOW],
  ['execve', ALLOW],
  ['execveat', ALLOW],
  ['fork', ALLOW],
  ['vfork', ALLOW],
  ['exit_group', ALLOW],
  ['wait4', ALLOW],
  ['kill', ALLOW],
  ['futex', ALLOW],
  ['futex_waitv', ALLOW],
  ['epoll_pwait2', ALLOW],
  ['statx', ALLOW],
  ['faccessat2', ALLOW],
  ['fchmodat2', ALLOW],
  ['cachestat', ALLOW],
  ['mseal', ALLOW],
  ['statmount', ALLOW],
  ['listmount', ALLOW],
  ['getxattrat', ALLOW],
  ['map_shadow_stack', ALLOW],
  ['vmsplice', ALLOW],
  ['memfd_secret', ALLOW],
  ['landlock_create_ruleset', ALLOW],
  ['rseq', ALLOW],
  ['mknodat', ALLOW],
  ['ptrace', ALLOW],
  ['process_vm_readv', ALLOW],
  ['process_vm_writev', ALLOW],
  ['chroot', ALLOW],
  ['setns', EPERM],
  ['unshare', EPERM],
  ['mount', EPERM],
  ['umount2', EPERM],
  ['fsopen', EPERM],
  ['fsmount', EPERM],
  ['move_mount', EPERM],
  ['open_tree', EPERM],
  ['open_tree_attr', EPERM],
  ['mount_setattr', EPERM],
  ['pivot_root', EPERM],
  ['bpf', EPERM],
  ['perf_event_open', EPERM],
  ['keyctl', EPERM],
  ['add_key', EPERM],
  ['request_key', EPERM],
  ['io_uring_setup', EPERM],
  ['io_uring_enter', EPERM],
  ['io_uring_register', EPERM],
  ['userfaultfd', EPERM],
  ['kexec_load', EPERM],
  ['kexec_file_load', EPERM],
  ['init_module', EPERM],
  ['finit_module', EPERM],
  ['delete_module', EPERM],
  ['swapon', EPERM],
  ['swapoff', EPERM],
  ['reboot', EPERM],
  ['syslog', EPERM],
  ['acct', EPERM],
  ['iopl', EPERM],
  ['ioperm', EPERM],
  ['settimeofday', EPERM],
  ['clock_settime', EPERM],
  ['vhangup', EPERM],
  ['quotactl', EPERM],
  ['open_by_handle_at', EPERM],
  ['name_to_handle_at', ALLOW],
  ['fanotify_init', EPERM],
  ['sethostname', EPERM],
  ['setdomainname', EPERM],
  ['kcmp', EPERM],
  ['pidfd_getfd', EPERM],
  ['process_madvise', EPERM],
  ['move_pages', EPERM],
  ['migrate_pages', EPERM],
  ['mbind', EPERM],
  ['get_mempolicy', EPERM],
  ['_sysctl', EPERM],
  ['uselib', EPERM],
  ['ustat', EPERM],
  ['sysfs', EPERM],
  ['create_module', EPERM],
  ['query_module', EPERM],
  ['nfsservctl', EPERM],
  ['lookup_dcookie', EPERM],
  ['clone3', ENOSYS],
  ['tuxcall', ENOSYS],
  ['file_getattr', ENOSYS],
  // clone: no namespace flag, not even next to others, nor in the upper half.
  ['clone', ALLOW, 0x3d0f00],
  ['clone', ALLOW, 0x01200011],
  ['clone', EPERM, 0x10000000],
  ['clone', EPERM, 0x00020000],
  ['clone', EPERM, 0x02000000],
  ['clone', EPERM, 0x04000000],
  ['clone', EPERM, 0x08000000],
  ['clone', EPERM, 0x20000000],
  ['clone', EPERM, 0x40000000],
  ['clone', EPERM, 0x50000011],
  ['socket', ALLOW, 1],
  ['socket', ALLOW, 2],
  ['socket', ALLOW, 10],
  ['socket', ALLOW, 16],
  ['socket', ALLOW, 37],
  ['socket', EPERM, 38],
  ['socket', ALLOW, 39],
  ['socket', EPERM, 40],
  ['socket', ALLOW, 41],
  ['socket', EPERM, 0x1_0000_0026n],
  ['socket', EPERM, 0xffff_ffff_0000_0028n],
  ['personality', ALLOW, 0],
  ['personality', ALLOW, 8],
  ['personality', ALLOW, 0x20000],
  ['personality', ALLOW, 0x20008],
  ['personality', ALLOW, 0xffffffff],
  ['personality', ALLOW, 0xffff_ffff_ffff_ffffn],
  ['personality', EPERM, 0x40000],
  ['personality', EPERM, 1],
  ['personality', EPERM, 0x20009],
  ['personality', EPERM, 0x80000000],
];

test('the default policy gives each call its verdict on x86-64', () => {
  const verdict = judge({});
  for (const [name, expected, ...args] of VERDICTS) {
    assert.equal(verdict(name, args), expected, `${name}(${args.join(', ')})`);
  }
  assert.ok(new Set(VERDICTS.map(([name]) => name)).size >= 60);
});

test('the default policy gives the same verdicts on arm64 where the call exists', () => {
  const verdict = judge({ machine: 'aarch64' });
  const rows = VERDICTS.filter(([name]) => syscallNumbers('aarch64').has(name));
  assert.ok(rows.length >= 60);
  for (const [name, expected, ...args] of rows) {
    assert.equal(verdict(name, args), expected, `${name}(${args.join(', ')})`);
  }
});

test('32-bit and x32 programs are held to the same policy', () => {
  for (const abi of ['i386', 'x32'] as const) {
    const verdict = judge({ abi });
    for (const [name, expected, ...args] of VERDICTS) {
      if (!syscallNumbers(abi).has(name) || args.some((each) => BigInt(each) > 0xffffffffn))
        continue;
      assert.equal(verdict(name, args), expected, `${abi} ${name}(${args.join(', ')})`);
    }
  }
  assert.equal(judge({ abi: 'i386' })('socketcall', [1]), ALLOW);
  assert.equal(judge({ abi: 'i386' })('vm86'), EPERM);
  assert.equal(judge({ machine: 'aarch64', abi: 'arm' })('set_tls'), ALLOW);
});

test('a number that no kernel has is ENOSYS, so that libraries fall back', () => {
  for (const abi of ['x86_64', 'i386'] as const) {
    const verdict = judge({ abi });
    for (const number of [470, 471, 1000, 0x3fffffff, 0x7fffffff, 0xffffffff]) {
      if (abi === 'x86_64' && number >= X32_BIT) continue;
      assert.equal(verdict(number), ENOSYS, `${abi} ${number}`);
    }
  }
});

test('a calling convention that the policy does not name kills the process', () => {
  const { program } = compileSeccomp(
    defaultSeccomp({ machine: 'x86_64', capabilities: new Set(), evaluation: 'first-match' }),
    'x86_64',
  );
  const arch = ABIS.aarch64.auditArch;
  assert.equal(runFilter(program, { nr: 0, arch, args: [] }).value >>> 0, SECCOMP_RET.KILL_PROCESS);
});

test('calls come with their capability', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['CAP_SYS_ADMIN', 'mount'],
    ['CAP_SYS_ADMIN', 'unshare'],
    ['CAP_SYS_ADMIN', 'clone3'],
    ['CAP_SYS_ADMIN', 'setns'],
    ['CAP_SYS_ADMIN', 'fsopen'],
    ['CAP_SYS_ADMIN', 'bpf'],
    ['CAP_SYS_ADMIN', 'perf_event_open'],
    ['CAP_SYS_ADMIN', 'syslog'],
    ['CAP_BPF', 'bpf'],
    ['CAP_PERFMON', 'perf_event_open'],
    ['CAP_SYSLOG', 'syslog'],
    ['CAP_SYS_BOOT', 'reboot'],
    ['CAP_SYS_MODULE', 'init_module'],
    ['CAP_SYS_NICE', 'mbind'],
    ['CAP_SYS_PACCT', 'acct'],
    ['CAP_SYS_PTRACE', 'kcmp'],
    ['CAP_SYS_PTRACE', 'pidfd_getfd'],
    ['CAP_SYS_RAWIO', 'iopl'],
    ['CAP_SYS_TIME', 'clock_settime'],
    ['CAP_SYS_TTY_CONFIG', 'vhangup'],
    ['CAP_DAC_READ_SEARCH', 'open_by_handle_at'],
  ];
  for (const [capability, name] of cases) {
    assert.equal(judge({ extra: [capability] })(name), ALLOW, `${name} with ${capability}`);
  }
  assert.equal(judge({ extra: ['CAP_SYS_ADMIN'] })('clone', [0x10000000]), ALLOW);
  assert.equal(judge({ extra: ['CAP_SYS_ADMIN'] })('socket', [38]), EPERM);
  assert.equal(judge({ extra: ['CAP_SYS_ADMIN'] })('pivot_root'), EPERM);
});

test('every known call is in exactly one list', () => {
  const lists = [
    ...Object.values(ALLOWED).flat(),
    ...new Set(
      Object.values(BY_CAPABILITY)
        .flat()
        .filter((name) => name !== 'clone'),
    ),
    ...Object.values(DENIED).flat(),
    ...Object.values(ABSENT).flat(),
    ...BY_ARGUMENT,
  ];
  const seen = new Map<string, number>();
  for (const name of lists) seen.set(name, (seen.get(name) ?? 0) + 1);
  const twice = [...seen].filter(([, count]) => count > 1).map(([name]) => name);
  assert.deepEqual(twice, []);
  const known = new Set(
    (['x86_64', 'x32', 'i386', 'aarch64', 'arm'] as const).flatMap((abi) => [
      ...syscallNumbers(abi).keys(),
    ]),
  );
  assert.deepEqual(
    [...known].filter((name) => !seen.has(name)),
    [],
    'unclassified',
  );
  assert.deepEqual(
    [...seen.keys()].filter((name) => !known.has(name)),
    [],
    'no such call',
  );
});

test('the filter is small and decides a call in a few steps', () => {
  const { program } = compileSeccomp(
    defaultSeccomp({
      machine: 'x86_64',
      capabilities: new Set(DOCKER_CAPABILITIES),
      evaluation: 'first-match',
    }),
    'x86_64',
  );
  assert.ok(program.length < 330, `${program.length} instructions`);
  for (const number of syscallNumbers('x86_64').values()) {
    const { steps } = runFilter(program, { nr: number, arch: ABIS.x86_64.auditArch, args: [] });
    assert.ok(steps <= 20, `${steps} steps for ${number}`);
  }
});

test('for libseccomp no call has two actions', () => {
  const section = defaultSeccomp({
    machine: 'x86_64',
    capabilities: new Set(DOCKER_CAPABILITIES),
    evaluation: 'any-order',
  });
  const actions = new Map<string, Set<string>>();
  for (const { names, action } of section.syscalls ?? []) {
    for (const name of names) actions.set(name, (actions.get(name) ?? new Set()).add(action));
  }
  assert.deepEqual(
    [...actions].filter(([, set]) => set.size > 1),
    [],
  );
});
