/*
 * The executor: ops in order, the first failure stops. No policy lives here;
 * what an op means is said in src/kernel/plan/schema.ts.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <sys/mount.h>

#include "run.h"

/* Says how the monitor keeps its process, or which slots are full: the monitor, or the decoder, reads it. */
static int op_nothing(struct run *run, const struct op *op) {
  (void)run;
  (void)op;
  return 0;
}

static int op_close(struct run *run, const struct op *op) {
  run_fill(run, op, F_CLOSE_SLOT, -1);
  return 0;
}

/* op_clone stands nowhere: plan_spawn splits a plan at it. */
static const op_function functions[OP_END] = {
  [OP_MONITOR] = op_nothing,
  [OP_KEPT] = op_nothing,
  [OP_UNSHARE] = op_unshare,
  [OP_SETNS] = op_setns,
  [OP_PIDFD] = op_pidfd,
  [OP_USERNS] = op_userns,
  [OP_OPEN] = op_open,
  [OP_MKDIR] = op_mkdir,
  [OP_RMDIR] = op_rmdir,
  [OP_WRITE] = op_write,
  [OP_WRITE_SELF] = op_write_self,
  [OP_MKDIRS] = op_mkdirs,
  [OP_MKNOD] = op_mknod,
  [OP_SYMLINK] = op_symlink,
  [OP_CREATE_FILE] = op_create_file,
  [OP_VERIFY_DEVICE] = op_verify_device,
  [OP_READ] = op_read,
  [OP_CGROUP_DEVICE] = op_cgroup_device,
  [OP_BPF_MAP] = op_bpf_map,
  [OP_BPF_LOAD] = op_bpf_load,
  [OP_BPF_LINK] = op_bpf_link,
  [OP_BPF_SET] = op_bpf_set,
  [OP_NETNS_COOKIE] = op_netns_cookie,
  [OP_CLOSE] = op_close,
  [OP_PROPAGATION] = op_propagation,
  [OP_FSMOUNT] = op_fsmount,
  [OP_OVERLAY] = op_overlay,
  [OP_OPEN_TREE] = op_open_tree,
  [OP_MOUNT_ATTR] = op_mount_attr,
  [OP_ATTACH] = op_attach,
  [OP_MASK] = op_mask,
  [OP_READONLY_PATH] = op_readonly_path,
  [OP_PIVOT] = op_pivot,
  [OP_UMOUNT] = op_umount,
  [OP_SETHOSTNAME] = op_sethostname,
  [OP_SETDOMAINNAME] = op_setdomainname,
  [OP_RLIMIT] = op_rlimit,
  [OP_UMASK] = op_umask,
  [OP_BOUNDING] = op_bounding,
  [OP_IDENTITY] = op_identity,
  [OP_CAPSET] = op_capset,
  [OP_NO_NEW_PRIVS] = op_no_new_privs,
  [OP_SECCOMP] = op_seccomp,
  [OP_CHDIR] = op_chdir,
  [OP_PERSONALITY] = op_personality,
  [OP_SETSID] = op_setsid,
  [OP_STDIO] = op_stdio,
  [OP_CONSOLE] = op_console,
  [OP_RESOLVER] = op_resolver,
  [OP_CLOSE_FDS] = op_close_fds,
  [OP_EXEC] = op_exec,
  [OP_NETLINK_OPEN] = op_netlink_open,
  [OP_NETLINK] = op_netlink,
  [OP_NETLINK_QUERY] = op_netlink_query,
  [OP_RESERVE_PORT] = op_reserve_port,
};

void slots_init(struct slots *slots) {
  for (unsigned i = 0; i < SLOT_COUNT; i++) slots->fd[i] = -1;
}

void slots_close(struct slots *slots) {
  for (unsigned i = 0; i < SLOT_COUNT; i++) {
    fd_cleanup(&slots->fd[i]);
    slots->fd[i] = -1;
  }
}

void run_init(struct run *run, const struct plan *plan, struct slots *slots) {
  *run = (struct run){ .plan = plan, .slots = slots, .parent = -1, .empty = -1, .stage = -1 };
}

void run_close(struct run *run) {
  char path[40];
  format_decimal(put_text(path, "/proc/self/fd/"), (uint64_t)run->stage);
  if (run->stage >= 0) umount2(path, MNT_DETACH);
  fd_cleanup(&run->empty);
  fd_cleanup(&run->stage);
  run->empty = run->stage = -1;
}

int run_error(struct run *run, enum call call, int err) {
  run->call = call;
  return -err;
}

int run_failed(struct run *run, enum call call) { return run_error(run, call, errno); }

int run_slot(const struct run *run, const struct op *op, unsigned field) {
  uint32_t slot = op_u32(op, field);
  return slot < SLOT_COUNT ? run->slots->fd[slot] : -1;
}

void run_fill(struct run *run, const struct op *op, unsigned field, int fd) {
  int *slot = &run->slots->fd[op_u32(op, field) % SLOT_COUNT];
  fd_cleanup(slot);
  *slot = fd;
}

int run_emit(struct run *run, int err, const void *bytes, uint32_t length) {
  uint8_t head[8];
  if (run->sink == NULL) return 0;
  put_u32(head, (uint32_t)err);
  put_u32(head + 4, length);
  int failed = run->sink->put(run->sink, head, sizeof head);
  if (failed == 0) failed = run->sink->put(run->sink, bytes, length);
  return failed < 0 ? run_error(run, CALL_WRITE, -failed) : 0;
}

int run_ops(struct run *run, uint32_t from, uint32_t to, struct report *report) {
  for (run->index = from; run->index < to; run->index++) {
    const struct op *op = &run->plan->ops[run->index];
    op_function function = functions[op->code];
    run->call = CALL_NONE;
    int err = function == NULL ? run_error(run, CALL_DECODE, EINVAL) : function(run, op);
    if (err >= 0) continue;
    *report = (struct report){ .index = run->index, .err = -err, .call = run->call };
    return err;
  }
  return 0;
}

int plan_run(const struct plan *plan, struct slots *slots, uint32_t from, uint32_t to, struct sink *sink,
             struct report *report) {
  struct run run;
  run_init(&run, plan, slots);
  run.sink = sink;
  *report = (struct report){ 0 };
  int err = run_ops(&run, from, to, report);
  run_close(&run);
  return err;
}
