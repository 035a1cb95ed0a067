/**
 * The compiled seccomp policy on the real kernel: a program inside a planned
 * container makes the calls and tells what the kernel answered. The verdict is
 * the filter's when it differs from what the kernel itself says without one.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSeccomp } from '../../src/kernel/bpf/default-seccomp.ts';
import { compileSeccomp } from '../../src/kernel/bpf/compile-seccomp.ts';
import { SECCOMP_RET } from '../../src/kernel/bpf/instruction.ts';
import { interpretFilter } from '../../src/kernel/bpf/interpret.ts';
import { ABIS, syscallNumbers } from '../../src/kernel/bpf/syscalls.ts';
import { ContainerFixture } from './container-fixture.ts';

/** Reads lines `abi number a0 a1 a2 a3 a4 a5` as arguments; prints the errno of each. */
const PROBE = `
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static long call32(long nr, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  return result;
}
int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char abi[16]; unsigned long nr, a[6] = {0};
    sscanf(argv[i], "%15s %lu %lu %lu %lu %lu %lu %lu", abi, &nr, a, a+1, a+2, a+3, a+4, a+5);
    /* In a child: a call may kill, fork, or end the process. */
    int fds[2], answer = -2; pipe(fds);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      alarm(5);
      long result;
      if (strcmp(abi, "i386") == 0) { result = call32(nr, a[0], a[1], a[2]); errno = result < 0 ? -result : 0; }
      else { errno = 0; result = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]); }
      int seen = result < 0 ? errno : 0;
      write(fds[1], &seen, sizeof seen);
      _exit(0);
    }
    close(fds[1]);
    int got = read(fds[0], &answer, sizeof answer);
    close(fds[0]);
    int status; waitpid(pid, &status, 0);
    if (WIFSIGNALED(status)) answer = -WTERMSIG(status);
    printf("%d\\n", got == sizeof answer || answer < 0 ? answer : -1);
  }
  return 0;
}`;

interface Call {
  readonly name: string;
  readonly abi: 'x86_64' | 'i386';
  readonly args: readonly (number | bigint)[];
}

/** Arguments are bad on purpose: a call that gets through fails on them, or is harmless. */
const BAD = 2n ** 64n - 1n;

function call(name: string, ...args: readonly (number | bigint)[]): Call {
  return { name, abi: 'x86_64', args };
}

const EPERM = 1;
const ENOSYS = 38;

/** [call, errno in a default container]; 0 stands for "reaches the kernel". */
const ROWS: readonly (readonly [Call, number | 'through'])[] = [
  [call('getpid'), 'through'],
  [call('read', BAD, 0, 0), 'through'],
  [call('openat', BAD, 0, 0), 'through'],
  [call('chroot', 0), 'through'],
  [call('ptrace', 99, 0, 0, 0), 'through'],
  [call('memfd_create', 0, 0), 'through'],
  [call('mseal', 1, 0, 0), 'through'],
  [call('statmount', 0, 0, 0, 0), 'through'],
  [call('futex_waitv', 0, 0, 0, 0, 0), 'through'],
  [call('socket', 1, 1, 0), 'through'],
  [call('socket', 2, 1, 0), 'through'],
  [call('socket', 16, 3, 0), 'through'],
  [call('socket', 38, 5, 0), EPERM],
  [call('socket', 40, 1, 0), EPERM],
  [call('socket', 0x1_0000_0026n, 5, 0), EPERM],
  [call('socket', 0xffff_ffff_0000_0028n, 1, 0), EPERM],
  [call('personality', 0xffffffff), 'through'],
  [call('personality', 0x40000), EPERM],
  [call('clone', 0x10000000, 0, 0, 0, 0), EPERM],
  [call('clone', 0x02000000, 0, 0, 0, 0), EPERM],
  [call('clone3', 0, 0), ENOSYS],
  [call('unshare', 0x10000000), EPERM],
  [call('setns', BAD, 0), EPERM],
  [call('mount', 0, 0, 0, 0, 0), EPERM],
  [call('umount2', 0, 0), EPERM],
  [call('fsopen', 0, 0), EPERM],
  [call('open_tree', BAD, 0, 0), EPERM],
  [call('open_tree_attr', BAD, 0, 0, 0, 0), EPERM],
  [call('move_mount', BAD, 0, BAD, 0, 0), EPERM],
  [call('pivot_root', 0, 0), EPERM],
  [call('bpf', 99, 0, 0), EPERM],
  [call('perf_event_open', 0, 0, 0, BAD, 0), EPERM],
  [call('keyctl', 99, 0, 0, 0, 0), EPERM],
  [call('add_key', 0, 0, 0, 0, 0), EPERM],
  [call('request_key', 0, 0, 0, 0), EPERM],
  [call('io_uring_setup', 0, 0), EPERM],
  [call('userfaultfd', 0), EPERM],
  [call('kexec_load', 0, 0, 0, 0), EPERM],
  [call('init_module', 0, 0, 0), EPERM],
  [call('finit_module', BAD, 0, 0), EPERM],
  [call('reboot', 0, 0, 0, 0), EPERM],
  [call('syslog', 99, 0, 0), EPERM],
  [call('acct', 1), EPERM],
  [call('quotactl', 0, 0, 0, 0), EPERM],
  [call('open_by_handle_at', BAD, 0, 0), EPERM],
  [call('process_madvise', BAD, 0, 0, 0, 0), EPERM],
  [call('mbind', 0, 0, 0, 0, 0, 0), EPERM],
  [call('move_pages', 0, 0, 0, 0, 0, 0), EPERM],
  [call('_sysctl', 0), EPERM],
  [call('file_setattr', BAD, 0, 0, 0, 0), ENOSYS],
  [call('lsm_list_modules', 0, 0, 0), ENOSYS],
  [{ name: 'getpid', abi: 'i386', args: [] }, 'through'],
  [{ name: 'mount', abi: 'i386', args: [0, 0, 0] }, EPERM],
  [{ name: 'unshare', abi: 'i386', args: [0x10000000] }, EPERM],
  [{ name: 'socket', abi: 'i386', args: [38, 5, 0] }, EPERM],
  [{ name: 'clone3', abi: 'i386', args: [0, 0] }, ENOSYS],
];

function lineOf({ name, abi, args }: Call): string {
  const number = syscallNumbers(abi).get(name);
  assert.ok(number !== undefined, name);
  return [abi, number, ...args].join(' ');
}

function nameOf({ name, abi, args }: Call): string {
  return `${abi} ${name}(${args.join(', ')})`;
}

async function answers(
  fixture: ContainerFixture,
  calls: readonly Call[],
  seccomp: string | undefined,
): Promise<readonly number[]> {
  const output = await fixture.output({
    command: ['/bin/probe', ...calls.map(lineOf)],
    hostConfig: seccomp === undefined ? {} : { SecurityOpt: [`seccomp=${seccomp}`] },
  });
  return output.trim().split('\n').map(Number);
}

test('R21: the kernel gives each call the verdict of the default policy', async () => {
  await using fixture = await ContainerFixture.create();
  fixture.addProgram('probe', PROBE);
  const calls = ROWS.map(([each]) => each);
  const filtered = await answers(fixture, calls, undefined);
  const free = await answers(fixture, calls, 'unconfined');
  assert.equal(filtered.length, ROWS.length);
  for (const [index, [each, expected]] of ROWS.entries()) {
    const seen = expected === 'through' ? free[index] : expected;
    assert.equal(filtered[index], seen, nameOf(each));
  }
});

test('R21: what the interpreter says is what the kernel does', async () => {
  await using fixture = await ContainerFixture.create();
  fixture.addProgram('probe', PROBE);
  const capabilities = new Set(
    fixture.specOf({ command: 'true' }, 1).process?.capabilities?.bounding,
  );
  const { program } = compileSeccomp(
    defaultSeccomp({ machine: 'x86_64', capabilities, evaluation: 'first-match' }),
    'x86_64',
  );
  // Every call that the filter refuses: those are safe to make with any arguments.
  const refused = [...syscallNumbers('x86_64')].flatMap(([name, nr]) => {
    const value = interpretFilter(program, { nr, arch: ABIS.x86_64.auditArch, args: [BAD] });
    const isErrno = (value & 0xffff0000) === SECCOMP_RET.ERRNO;
    return isErrno ? [{ each: call(name, BAD), errno: value & 0xffff }] : [];
  });
  assert.ok(refused.length >= 60, `${refused.length} calls`);
  const seen = await answers(
    fixture,
    refused.map(({ each }) => each),
    undefined,
  );
  for (const [index, { each, errno }] of refused.entries()) {
    assert.equal(seen[index], errno, nameOf(each));
  }
});

test('R21: a profile of the request is loaded: kill, trap, errno, masks and lists', async () => {
  await using fixture = await ContainerFixture.create();
  fixture.addProgram('probe', PROBE);
  const profile = JSON.stringify({
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86'],
    syscalls: [
      { names: ['getppid'], action: 'SCMP_ACT_ERRNO', errnoRet: 77 },
      { names: ['getuid'], action: 'SCMP_ACT_KILL_PROCESS' },
      { names: ['getgid'], action: 'SCMP_ACT_TRAP' },
      {
        names: ['umask'],
        action: 'SCMP_ACT_ERRNO',
        args: [{ index: 0, op: 'SCMP_CMP_MASKED_EQ', value: 7, valueTwo: 5 }],
      },
      { names: ['sync'], action: 'SCMP_ACT_ERRNO', includes: { caps: ['CAP_SYS_ADMIN'] } },
      {
        names: ['lseek'],
        action: 'SCMP_ACT_ERRNO',
        errnoRet: 12,
        args: [{ index: 1, op: 'SCMP_CMP_GE', value: 4294967296 }],
      },
    ],
  });
  const calls = [
    call('getppid'),
    call('getuid'),
    call('getgid'),
    call('umask', 0o25),
    call('umask', 0o22),
    call('sync'),
    call('lseek', BAD, 2n ** 32n - 1n),
    call('lseek', BAD, 2n ** 32n),
    call('lseek', BAD, 2n ** 63n),
  ];
  assert.deepEqual(await answers(fixture, calls, profile), [77, -31, -31, 1, 0, 0, 9, 12, 12]);
});

test('calls come with their capability', async () => {
  await using fixture = await ContainerFixture.create();
  fixture.addProgram('probe', PROBE);
  const probe = async (CapAdd: readonly string[]): Promise<readonly number[]> => {
    const calls = [call('mount', 0, 0, 0, 0, 0), call('clone3', 0, 0), call('kcmp', 1, 1, 0, 0, 0)];
    const output = await fixture.output({
      command: ['/bin/probe', ...calls.map(lineOf)],
      hostConfig: { CapAdd },
    });
    return output.trim().split('\n').map(Number);
  };
  assert.deepEqual(await probe([]), [EPERM, ENOSYS, EPERM]);
  const admin = await probe(['SYS_ADMIN']);
  assert.ok(admin[0] !== EPERM && admin[1] !== ENOSYS, admin.join());
  assert.notEqual((await probe(['SYS_PTRACE']))[2], EPERM);
});
