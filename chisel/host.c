/*
 * `chisel host`: frames from the daemon on stdin, a fork for each, answers on
 * stdout. The host itself runs no plan, waits for no one, and keeps no state
 * but which process works on which request.
 *
 * Invariant: every APPLY and START gets exactly one last word: DONE or EXITED
 * of the process that worked on it, or LOST from the host when that died.
 * Protocol: docs/chisel-protocol.md.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "run.h"

#define WORKERS_MAX 16384u
#define KEPT_BYTES 65536u /* frames up to this leave their pages for the next */
#define STARTED_BYTES 36u /* payload of STARTED */
#define DATA_MAX (FRAME_SMALL - FRAME_HEADER - REPORT_BYTES - 1u) /* data that fits beside a report */

/* A process that works on a request. */
struct worker {
  pid_t pid;
  uint64_t id;
};

static struct worker workers[WORKERS_MAX];
static uint32_t worker_count;
static uint8_t frame_bytes[FRAME_MAX] __attribute__((aligned(4096)));
static uint32_t frame_used; /* bytes of it that hold the last frame */
static struct plan apply_plan;

void host_release_frames(void) {
  madvise(frame_bytes, sizeof frame_bytes, MADV_DONTNEED);
  frame_used = 0;
}

/* ---- in a fork ---------------------------------------------------------------- */

/* Data of reads, sent as soon as it fills a frame. */
struct apply_sink {
  struct sink sink;
  uint64_t id;
  uint32_t used;
  uint8_t bytes[REPORT_BYTES + DATA_MAX];
};

static int apply_put(struct sink *base, const void *bytes, size_t size) {
  struct apply_sink *sink = (struct apply_sink *)base;
  const uint8_t *at = bytes;
  while (size > 0) {
    if (sink->used == DATA_MAX) {
      int err = frame_send(STDOUT_FILENO, FRAME_DATA, sink->id, sink->bytes + REPORT_BYTES, sink->used);
      if (err < 0) return err;
      sink->used = 0;
    }
    uint32_t part = DATA_MAX - sink->used < size ? DATA_MAX - sink->used : (uint32_t)size;
    memcpy(sink->bytes + REPORT_BYTES + sink->used, at, part);
    sink->used += part;
    at += part;
    size -= part;
  }
  return 0;
}

/*
 * Where mounts wait on a stage (tree.c), another process' stage could cover
 * ours, or take it away: whoever makes a root does it in a namespace of its own.
 */
static int part_mounts(const struct plan *plan) {
  for (uint32_t i = 0; i < plan->count; i++) {
    if (plan->ops[i].code == OP_OVERLAY) return unshare(CLONE_NEWNS);
  }
  return 0;
}

int host_apply(const struct frame *frame, struct slots *slots) {
  struct apply_sink sink = { .sink = { apply_put }, .id = frame->id };
  struct report report;
  int err = plan_decode(frame->payload, frame->length, &apply_plan, &report);
  if (err == 0 && apply_plan.clone < apply_plan.count) report = (struct report){ apply_plan.clone, EINVAL, CALL_CLONE3 };
  else if (err == 0 && part_mounts(&apply_plan) < 0) report = (struct report){ 0, errno, CALL_UNSHARE };
  else if (err == 0) plan_run(&apply_plan, slots, 0, apply_plan.count, &sink.sink, &report);
  report_encode(sink.bytes, &report);
  return frame_send(STDOUT_FILENO, FRAME_DONE, frame->id, sink.bytes, REPORT_BYTES + sink.used);
}

/* The worker: nothing of the host but stdout and stderr; what it changed of namespaces goes with it. */
static _Noreturn void work(const struct frame *frame) {
  sigset_t none;
  sys_close_range(3, ~0u, 0);
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || dup2(null, STDIN_FILENO) < 0) _exit(1);
  close(null);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (frame->kind == FRAME_START) _exit(monitor_main(frame));
  struct slots slots;
  slots_init(&slots);
  host_apply(frame, &slots);
  _exit(0);
}

/* ---- the host --------------------------------------------------------------------- */

int host_refuse(const struct frame *frame, int err, enum call call) {
  const struct report report = { .index = 0, .err = err, .call = call };
  uint8_t payload[STARTED_BYTES] = { 0 };
  bool is_start = frame->kind == FRAME_START;
  report_encode(payload, &report);
  return frame_send(STDOUT_FILENO, is_start ? FRAME_STARTED : FRAME_DONE, frame->id, payload, is_start ? STARTED_BYTES : REPORT_BYTES);
}

/* What was longer in the last frame is another container's secret. */
static void forget_last(uint32_t length) {
  if (length < frame_used) memset(frame_bytes + length, 0, frame_used - length);
  frame_used = length;
}

static int handle(const struct frame *frame) {
  if (frame->kind != FRAME_APPLY && frame->kind != FRAME_START) return host_refuse(frame, EPROTO, CALL_DECODE);
  if (worker_count == WORKERS_MAX) return host_refuse(frame, EAGAIN, CALL_FORK);
  pid_t pid = fork();
  if (pid < 0) return host_refuse(frame, errno, CALL_FORK);
  if (pid == 0) work(frame);
  workers[worker_count++] = (struct worker){ .pid = pid, .id = frame->id };
  if (frame->length > KEPT_BYTES) host_release_frames();
  return 0;
}

static int forget_worker(pid_t pid, int status) {
  uint8_t payload[4];
  for (uint32_t i = 0; i < worker_count; i++) {
    if (workers[i].pid != pid) continue;
    uint64_t id = workers[i].id;
    workers[i] = workers[--worker_count];
    put_u32(payload, (uint32_t)status);
    return status == 0 ? 0 : frame_send(STDOUT_FILENO, FRAME_LOST, id, payload, sizeof payload);
  }
  return 0;
}

static int reap(int signals) {
  struct signalfd_siginfo info;
  int status;
  pid_t pid;
  while (read(signals, &info, sizeof info) > 0) continue;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    int err = forget_worker(pid, status);
    if (err < 0) return err;
  }
  return 0;
}

/* Until the daemon closes our stdin: 0, or -errno. */
static int serve(int signals) {
  struct pollfd entries[2] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
  for (;;) {
    if (poll(entries, 2, -1) < 0 && errno != EINTR) return -errno;
    int err = entries[1].revents == 0 ? 0 : reap(signals);
    if (err < 0) return err == -EPIPE ? 0 : err;
    if (entries[0].revents == 0) continue;
    struct frame frame;
    err = frame_read(STDIN_FILENO, frame_bytes, sizeof frame_bytes, &frame);
    if (err == 0) forget_last(frame.length);
    if (err == 0) err = handle(&frame);
    if (err < 0) return err == -ENODATA || err == -EPIPE ? 0 : err;
  }
}

/* Mounts of the real host show up here; ours do not show up there. */
static int leave_mount_namespace(void) {
  if (unshare(CLONE_NEWNS) < 0) return -errno;
  return mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ? -errno : 0;
}

/*
 * Programs get the host's null device as their stdin. On a mount that is not
 * writable nobody who holds it can change its mode or its owner.
 */
static int protect_null(void) {
  static const struct k_mount_attr readonly = { .attr_set = K_MOUNT_ATTR_RDONLY };
  struct run run;
  run_init(&run, NULL, NULL);
  if (mount("/dev/null", "/dev/null", NULL, MS_BIND, NULL) < 0) return -errno;
  AUTO_FD int null = open("/dev/null", O_PATH | O_CLOEXEC);
  return null < 0 ? -errno : tree_set(&run, null, &readonly, false);
}

int host_main(void) {
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  AUTO_FD int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(0);
  setsid(); /* the daemon's terminal is not ours */
  int err = signals < 0 || chdir("/") < 0 ? -errno : leave_mount_namespace();
  if (err == 0) err = protect_null();
  if (err < 0) {
    complain("chisel host", "cannot make a mount namespace with mounts of its own (it needs CAP_SYS_ADMIN)", -err);
    return 1;
  }
  err = serve(signals);
  if (err < 0) complain("chisel host", "the daemon's stream is broken", -err);
  return err < 0 ? 1 : 0;
}
