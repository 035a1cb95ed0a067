/*
 * A process of the monitor and its streams: number 0 is the container's own,
 * the others are execs. Knows no client: output is handed up, input comes down.
 *
 * Invariants: a session never blocks the monitor; a process that is gone is
 * reaped exactly once, by pidfd; what it wrote before it died is read.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_SESSION_H
#define CHISEL_SESSION_H

#include "chisel.h"

#define SESSION_MAX 128u
#define SESSION_HELD_MAX 16384u /* bytes of exec output that wait for clients, stream header included */
#define SESSION_PIPE_MAX 1048576u /* bytes that a pipe or console holds at most */
#define STREAM_HEADER 8u        /* Docker's stream framing: u8 stream, 3 zeros, u32 length, big endian */

/* STARTING: on its way to its program, or failed there and to be reaped. */
enum session_state { SESSION_FREE, SESSION_STARTING, SESSION_RUNNING, SESSION_DRAINING, SESSION_ENDED };

struct output {
  int fd;
  int16_t ticket;
  uint32_t drained;      /* bytes read since the process was gone */
  uint8_t burst;         /* small reads in a row, shortly after each other */
  uint64_t read_us;      /* when the last read was */
  uint64_t rest_until_us; /* not read before: let a busy writer fill the pipe */
};

struct session {
  uint32_t id;
  uint8_t state; /* enum session_state */
  bool tty;
  bool open_stdin;
  bool stdin_once;
  bool is_input_full;
  bool is_told;           /* a control client heard of its end */
  bool is_pipe_enlarged;
  int16_t ticket_pid;
  int16_t ticket_input;
  int pidfd;
  int input;              /* pipe or console; -1: closed */
  int console;            /* master that came while it starts; -1 */
  int keeper;             /* the console's other end, so that it never hangs up while the process lives; -1 */
  struct output output[2]; /* stdout or console; stderr */
  struct spawned process; /* its pidfd is `pidfd` */
  uint64_t started_ns;
  uint64_t exited_ns;
  int32_t code;
  int32_t signal;
  uint32_t is_oom;
  uint32_t expected;      /* clients that will attach */
  uint32_t attached;      /* clients that have, ever */
  uint64_t hold_until_us; /* until then expected clients are waited for */
  uint64_t end_us;        /* when the process was reaped */
  uint32_t held;          /* exec: bytes of session_held that clients still read */
  struct client *asker;   /* exec: who waits for STARTED; NULL: told, or gone */
  uint64_t ask_id;
};

/* How to start one. */
struct session_settings {
  uint32_t id;
  bool tty;
  bool open_stdin;
  bool stdin_once;
  uint32_t expected;
  uint32_t first; /* op of the plan to start at */
};

extern struct session sessions[SESSION_MAX];
/* One past the last session in use. */
extern uint32_t session_count;
/* Output of an exec that its clients did not take yet. */
extern uint8_t session_held[SESSION_MAX][SESSION_HELD_MAX];

static inline uint32_t session_index(const struct session *session) { return (uint32_t)(session - sessions); }
/* The session of this number that is not free; NULL: there is none. */
struct session *session_find(uint32_t id);
/* A place for a new one; NULL: too many. A place whose end nobody asked for is given again last. */
struct session *session_reserve(bool is_first);
/* Send the plan's process on its way in `session`; on failure the place is free again. */
int session_start(struct session *session, const struct plan *plan, const struct session_settings *settings, struct report *report);
/* As spawn_settle, of a session that is starting. One that failed keeps its place until session_bury. */
int session_settle(struct session *session, struct report *report);
/* True when the process of a failed start is gone: the place is free again. `waits`: until it is. */
bool session_bury(struct session *session, bool waits);
/* After the round: the process ended, or said something on its way. */
bool session_has_news(const struct session *session);
/* True while expected clients are waited for. */
bool session_is_expecting(const struct session *session);
/* Write to stdin: bytes taken; 0: full, try when it says so; all of them when nobody will ever read. */
size_t session_write(struct session *session, const uint8_t *bytes, size_t count);
/* End of file of stdin. Nothing with a console: a hang-up would kill. */
void session_end_input(struct session *session);
int session_signal(const struct session *session, uint32_t signal);
int session_resize(const struct session *session, uint32_t rows, uint32_t columns);

/*
 * One read of `output[which]` into `buffer`: bytes; 0: nothing now, or closed
 * (its fd is then -1).
 */
size_t session_read(struct session *session, uint32_t which, uint8_t *buffer, size_t size);
/* Give up an output though it may bring more. */
void session_close_output(struct session *session, uint32_t which);
/* Reap the process if it is gone: true once. Sets code, signal and time. */
bool session_reap(struct session *session);
/* True when all that is left is to forget it. */
bool session_is_drained(const struct session *session);
void session_free(struct session *session);

/* Add to the round what this session waits for; outputs only when `reads`. */
void session_wait(struct session *session, bool reads);
/* After the round: stdin may be free again. */
void session_wake(struct session *session);
/* After the round: output[which] may have something. */
bool session_is_readable(const struct session *session, uint32_t which);
/* Kept pipes may grow to this many bytes. */
void session_set_pipe_limit(uint64_t bytes);

#endif
