/*
 * Who the running process is and what it may do: names, limits, ids,
 * capabilities, system call filter, working directory.
 *
 * Raw system calls where libc's wrapper would do the same for threads that do
 * not exist here.
 * Source: capabilities(7), seccomp(2), prctl(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "run.h"

int op_sethostname(struct run *run, const struct op *op) {
  const char *name = op_text(op, F_SETHOSTNAME_NAME);
  return sethostname(name, strlen(name)) < 0 ? run_failed(run, CALL_SETHOSTNAME) : 0;
}

int op_setdomainname(struct run *run, const struct op *op) {
  const char *name = op_text(op, F_SETDOMAINNAME_NAME);
  return setdomainname(name, strlen(name)) < 0 ? run_failed(run, CALL_SETDOMAINNAME) : 0;
}

int op_rlimit(struct run *run, const struct op *op) {
  uint64_t limit[2] = { op_u64(op, F_RLIMIT_SOFT), op_u64(op, F_RLIMIT_HARD) };
  long err = syscall(SYS_prlimit64, 0, op_u32(op, F_RLIMIT_RESOURCE), limit, NULL);
  return err < 0 ? run_failed(run, CALL_PRLIMIT) : 0;
}

int op_umask(struct run *run, const struct op *op) {
  (void)run;
  umask((mode_t)op_u32(op, F_UMASK_MASK));
  return 0;
}

int op_bounding(struct run *run, const struct op *op) {
  uint64_t keep = op_u64(op, F_BOUNDING_KEEP);
  for (unsigned cap = 0; cap < 64; cap++) {
    if ((keep >> cap & 1) != 0 || prctl(K_CAPBSET_DROP, cap, 0, 0, 0) == 0) continue;
    if (errno == EINVAL) break; /* one more than the kernel knows */
    int has = prctl(K_CAPBSET_READ, cap, 0, 0, 0);
    if (has < 0) break;
    if (has > 0) return run_error(run, CALL_PRCTL, EPERM); /* who may drop none may have none */
  }
  return 0;
}

static int read_capabilities(struct k_cap_data data[2]) {
  struct k_cap_header header = { .version = K_CAP_VERSION_3 };
  return (int)syscall(SYS_capget, &header, data);
}

/* Without groups to set, a user namespace whose setgroups is denied is no failure: its groups cannot be anybody's. */
static bool may_skip_groups(uint32_t length) {
  struct k_cap_data data[2];
  if (errno != EPERM || length != 0 || read_capabilities(data) < 0) return false;
  return (data[0].effective >> K_CAP_SETGID & 1) != 0;
}

int op_identity(struct run *run, const struct op *op) {
  uint32_t uid = op_u32(op, F_IDENTITY_UID), gid = op_u32(op, F_IDENTITY_GID), length;
  const uint8_t *groups = op_bytes(op, F_IDENTITY_GROUPS, &length);
  if (length % 4 != 0) return run_error(run, CALL_SETGROUPS, EINVAL);
  if (syscall(SYS_setgroups, length / 4, groups) < 0 && !may_skip_groups(length)) return run_failed(run, CALL_SETGROUPS);
  /* Until capset: a change to another user would clear them. execve resets this. */
  if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0) return run_failed(run, CALL_PRCTL);
  if (syscall(SYS_setresgid, gid, gid, gid) < 0) return run_failed(run, CALL_SETRESGID);
  if (syscall(SYS_setresuid, uid, uid, uid) < 0) return run_failed(run, CALL_SETRESUID);
  return 0;
}

int op_capset(struct run *run, const struct op *op) {
  uint64_t effective = op_u64(op, F_CAPSET_EFFECTIVE), permitted = op_u64(op, F_CAPSET_PERMITTED);
  uint64_t inheritable = op_u64(op, F_CAPSET_INHERITABLE), ambient = op_u64(op, F_CAPSET_AMBIENT);
  struct k_cap_header header = { .version = K_CAP_VERSION_3 };
  struct k_cap_data data[2] = {
    { (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
    { (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
  };
  if (prctl(K_CAP_AMBIENT, K_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0) return run_failed(run, CALL_PRCTL);
  if (syscall(SYS_capset, &header, data) < 0) return run_failed(run, CALL_CAPSET);
  for (unsigned cap = 0; cap < 64; cap++) {
    if ((ambient >> cap & 1) == 0) continue;
    if (prctl(K_CAP_AMBIENT, K_CAP_AMBIENT_RAISE, cap, 0, 0) < 0) return run_failed(run, CALL_PRCTL);
  }
  return 0;
}

int op_no_new_privs(struct run *run, const struct op *op) {
  (void)op;
  return prctl(K_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? run_failed(run, CALL_PRCTL) : 0;
}

int op_seccomp(struct run *run, const struct op *op) {
  uint32_t length;
  const uint8_t *filter = op_bytes(op, F_SECCOMP_FILTER, &length);
  struct k_sock_fprog program = { .length = (uint16_t)(length / 8), .filter = filter };
  if (length % 8 != 0) return run_error(run, CALL_SECCOMP, EINVAL);
  /* The filter may forbid to tell it later. */
  if (run->parent >= 0 && run_tell_late(run) < 0) return run_error(run, CALL_WRITE, EPIPE);
  long err = syscall(SYS_seccomp, K_SECCOMP_SET_MODE_FILTER, op_u32(op, F_SECCOMP_FLAGS), &program);
  return err < 0 ? run_failed(run, CALL_SECCOMP) : 0;
}

int op_chdir(struct run *run, const struct op *op) {
  char now[PATH_MAX];
  if (chdir(op_text(op, F_CHDIR_PATH)) < 0) return run_failed(run, CALL_CHDIR);
  /* The kernel's answer, not libc's: "(unreachable)…" when the directory is outside the root. */
  if (syscall(SYS_getcwd, now, sizeof now) < 0) return run_failed(run, CALL_GETCWD);
  return now[0] == '/' ? 0 : run_error(run, CALL_GETCWD, ENOTDIR);
}

int op_personality(struct run *run, const struct op *op) {
  return personality(op_u32(op, F_PERSONALITY_PERSONA)) < 0 ? run_failed(run, CALL_PERSONALITY) : 0;
}

int op_setsid(struct run *run, const struct op *op) {
  (void)op;
  return setsid() < 0 ? run_failed(run, CALL_SETSID) : 0;
}
