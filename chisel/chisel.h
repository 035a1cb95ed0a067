/*
 * The chisel's own interface: frames, decoded plans, and running them. What a
 * plan may hold is plan.h, generated from src/kernel/plan/schema.ts.
 *
 * Conventions: functions that can fail return 0 or -errno unless said
 * otherwise; nothing here allocates but by one bounded mmap; every descriptor
 * made is CLOEXEC.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_H
#define CHISEL_H

#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "bytes.h"
#include "plan.h"

/* ---- descriptors ---------------------------------------------------------- */

/* Closes *fd unless it is negative; for AUTO_FD. */
void fd_cleanup(int *fd);
/* `AUTO_FD int fd = open(…);` is closed when it leaves its scope. */
#define AUTO_FD __attribute__((cleanup(fd_cleanup)))

/* The descriptor, which the variable no longer owns. */
static inline int fd_take(int *fd) {
  int taken = *fd;
  *fd = -1;
  return taken;
}

/* ---- bytes in and out ------------------------------------------------------ */

/* Exactly `size` bytes, waiting where the descriptor does not block. -ENODATA: end of file before the first; -EPIPE: later. */
int read_exact(int fd, void *buffer, size_t size);
/* All of it, waiting where the descriptor does not block. */
int write_all(int fd, const void *bytes, size_t size);
/* At most `size` bytes of a whole file; the count or -errno. -EFBIG: there is more. */
ssize_t read_whole(int fd, void *buffer, size_t size);
/* The number in decimal and a NUL; for text of at most 20 digits. */
void format_decimal(char *out, uint64_t value);
/* "PREFIX: MESSAGE: ERRNO" and a newline to stderr; `err` 0 leaves the last part out. */
void complain(const char *prefix, const char *message, int err);

/* ---- frames: docs/chisel-protocol.md --------------------------------------- */

#define FRAME_HEADER 16u                            /* with the length field */
#define FRAME_MAX (4u * 1024u * 1024u + 64u * 1024u) /* bytes after the length field */
#define FRAME_SMALL 4096u /* a frame of fewer bytes, header included, is written whole by one write */

enum frame_kind {
  FRAME_APPLY = 1,
  FRAME_START = 2,
  FRAME_CONTROL = 16,
  FRAME_ATTACH = 17,
  FRAME_SIGNAL = 18,
  FRAME_RESIZE = 19,
  FRAME_EXEC = 20,
  FRAME_WATCH = 21,
  FRAME_RELEASE = 22,
  FRAME_HELLO = 48,
  FRAME_QUERY = 49,
  FRAME_DONE = 0x81,
  FRAME_STARTED = 0x82,
  FRAME_EXITED = 0x83,
  FRAME_DATA = 0x84,
  FRAME_LOST = 0x85,
  FRAME_STATE = 0x90,
  FRAME_ANSWER = 0xb1,
};

struct frame {
  uint16_t kind;
  uint16_t flags;
  uint64_t id;
  const uint8_t *payload; /* in the reader's buffer */
  uint32_t length;        /* of the payload */
};

/*
 * The next frame, its bytes in `buffer` (`size` bytes, at most FRAME_MAX are
 * used). -ENODATA: end of file between frames; -EPROTO: not a frame;
 * -EMSGSIZE: longer than the buffer.
 */
int frame_read(int fd, uint8_t *buffer, size_t size, struct frame *out);
/* The header of a frame with `length` payload bytes into FRAME_HEADER bytes. */
void frame_header(uint8_t *out, uint16_t kind, uint64_t id, uint32_t length);
/* The fields of the FRAME_HEADER bytes at `header`; payload stays unset. -EPROTO, -EMSGSIZE as frame_read. */
int frame_parse_header(const uint8_t *header, struct frame *out);
/* One frame in one write(2). Precondition: header and payload are fewer than FRAME_SMALL bytes. */
int frame_send(int fd, uint16_t kind, uint64_t id, const void *payload, uint32_t length);

/* ---- reports ---------------------------------------------------------------- */

#define REPORT_BYTES 12u

/* Which op failed, how, in which call; `err` is a positive errno, 0: success. */
struct report {
  uint32_t index;
  int32_t err;
  uint32_t call; /* enum call */
};

/* The wire form, REPORT_BYTES. */
void report_encode(uint8_t *out, const struct report *report);

/* ---- decoded plans ----------------------------------------------------------- */

/* One op of a decoded plan; its fields stay where they were received. */
struct op {
  const uint8_t *fields;
  uint16_t code; /* enum op_code */
};

/* 64 KiB, of which only what a plan uses is touched: keep it static. */
struct plan {
  uint32_t count;
  uint32_t clone; /* index of the clone op, `count` without one */
  struct op ops[PLAN_MAX_OPS];
};

/*
 * Checks every bound of the schema and the order of slots and places, and fills
 * `out`, which points into `bytes`. On failure `report` names the op and call
 * `decode`; -EINVAL: against the schema, -EPROTO: not this version, -E2BIG: too many ops.
 */
int plan_decode(const uint8_t *bytes, size_t size, struct plan *out, struct report *report);

/* Fields of an op by number (F_* of plan.h). Precondition: decoded, and the number is of this op and type. */
uint32_t op_u32(const struct op *op, unsigned field);
uint64_t op_u64(const struct op *op, unsigned field);
const char *op_text(const struct op *op, unsigned field);
const uint8_t *op_bytes(const struct op *op, unsigned field, uint32_t *length);

/* Walks a `texts` field. */
struct texts {
  const uint8_t *at;
  uint32_t left;
};
struct texts op_texts(const struct op *op, unsigned field);
/* The next text, NULL after the last. */
const char *texts_next(struct texts *texts);

/* ---- running ------------------------------------------------------------------ */

struct slots {
  int fd[SLOT_COUNT]; /* -1: empty */
};
void slots_init(struct slots *slots);
void slots_close(struct slots *slots);

/* False when a slot that the op reads is empty, because an op failed that was to fill it: absent means something else. */
bool op_is_ready(const struct op *op, const struct slots *slots);

/* Where the data of `read` and `netlink-query` goes; 0 or -errno. NULL: nowhere. */
struct sink {
  int (*put)(struct sink *sink, const void *bytes, size_t size);
};

/*
 * Run the ops [from, to) in this process. Precondition: none of them is
 * `clone`; `monitor` does nothing. Callers that run every op whatever fails
 * (after-plans) call it once per op with the same slots.
 */
int plan_run(const struct plan *plan, struct slots *slots, uint32_t from, uint32_t to, struct sink *sink,
             struct report *report);

/* The process' standard streams; -1 where a console will stand. */
struct spawn_io {
  int in;      /* the child's end for `stdio`; may be the same file thrice */
  int out;
  int err;
};

struct spawned {
  pid_t pid;
  int pidfd; /* the caller closes it */
  uint64_t start_ticks; /* field 22 of /proc/PID/stat; known when its program runs */
  int socket;           /* what it says on its way to its program; -1: that is decided */
  int resolver[2];      /* of the resolver op: datagrams, listener; -1: none. The caller closes them */
  uint32_t clone;       /* index of its op */
  bool is_late;         /* silence is success */
};

/*
 * Run the ops from `first` on: up to `clone` here, then clone3, the rest in the
 * child, which is still on its way when this returns. On failure there is no
 * child, and `report` says which op. Descriptors of `io` stay the caller's;
 * slots do not outlive the call. -EINVAL: a plan without clone.
 */
int plan_spawn(const struct plan *plan, uint32_t first, const struct spawn_io *io, struct spawned *out,
               struct report *report);

/*
 * What the child said, without waiting. 1: it is still on its way, ask again
 * when `socket` is readable. 0: its program runs. -errno: an op failed, see
 * `report`; the child was killed and is the caller's to reap. `*console` is -1,
 * or becomes the master of the console op, the caller's to close.
 */
int spawn_settle(struct spawned *child, int *console, struct report *report);

/* ---- reserved ports: reserve.c ------------------------------------------------- */

/* An address with its port, of either family. */
union endpoint {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* A port that a `reserve-port` op of this process keeps. */
struct reserved_port {
  int fd; /* -1: given back */
  int protocol;
  union endpoint at;
  union endpoint target; /* who gets what reaches the socket; AF_UNSPEC: nobody */
};

extern struct reserved_port reserved_ports[PLAN_MAX_OPS];
extern uint32_t reserved_port_count;

/* The address of 4 or 16 bytes; false for any other number of them. */
bool endpoint_read(union endpoint *out, const uint8_t *bytes, uint32_t size, uint32_t port);
socklen_t endpoint_size(const union endpoint *endpoint);
/* Give one back, or with NULL all of them. One that is not kept is none to give back. */
void reserved_port_release(int protocol, const union endpoint *at);

/* Start time in ticks of a process as this mount namespace's /proc has it. */
int start_ticks_of(pid_t pid, uint64_t *out);

/* ---- subcommands ---------------------------------------------------------------- */

/*
 * The life of one monitor, in a fork of the host: 0 is /dev/null, 1 the
 * daemon's stream for frames, nothing else is open; no signal is blocked,
 * SIGPIPE is ignored. `start` is the START frame in private memory. The result
 * is the exit status; not 0 (or a death by signal) makes the host send LOST.
 */
int monitor_main(const struct frame *start);
/* The memory that frames were received in, for a monitor to give back once it kept what it needs. */
void host_release_frames(void);

int host_main(void);
int keep_main(bool stays);
/* Run a plan and send its answer: 0, or -errno of the stream. */
int host_apply(const struct frame *frame, struct slots *slots);
/* The last word about a request that no process works on. */
int host_refuse(const struct frame *frame, int err, enum call call);
int unpack_main(int argc, char **argv);
int walk_main(int argc, char **argv);

#endif
