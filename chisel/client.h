/*
 * Connections to a monitor's socket. What they ask is answered here; the
 * raw bytes of those that attached are attach.h's.
 *
 * Invariants: nothing a client does or omits blocks the monitor or another
 * client; one that breaks the protocol is dropped.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_CLIENT_H
#define CHISEL_CLIENT_H

#include "log.h"
#include "session.h"

#define CLIENT_MAX 256u
#define CLIENT_HEAD 64u /* bytes of a frame that are kept per client; longer ones use the shared buffer */

enum client_kind { CLIENT_FREE, CLIENT_NEW, CLIENT_CONTROL, CLIENT_PROCESS, CLIENT_EXEC, CLIENT_WATCH, CLIENT_CLOSING };

/* Bits of an ATTACH request. */
enum attach_stream { ATTACH_STDIN = 1, ATTACH_STDOUT = 2, ATTACH_STDERR = 4, ATTACH_REPLAY = 8, ATTACH_LOSSLESS = 16 };

struct client {
  int fd;
  int16_t ticket;
  uint8_t kind;         /* enum client_kind */
  uint8_t streams;      /* enum attach_stream */
  bool has_input_ended; /* nothing more comes from it */
  bool is_output_dead;  /* nothing more can go to it */
  bool is_armed;        /* CLIENT_WATCH: wants to hear of news */
  bool is_dirty;        /* CLIENT_WATCH: there are news */
  uint32_t have;        /* bytes of the frame being read */
  uint32_t session;     /* CLIENT_EXEC: index of its session */
  uint32_t sent;        /* bytes of the record at `place`, or of the held output, that it got, with stream header */
  struct cursor place;  /* CLIENT_PROCESS */
  uint64_t unread;      /* bytes between `place` and the end of the log */
  uint64_t moved_us;    /* when it last took something */
  uint8_t head[CLIENT_HEAD];
};

extern struct client clients[CLIENT_MAX];
/* One past the last client in use. */
extern uint32_t client_count;

/* The listening socket is ready. */
void client_accept(int listener);
/* Add to the round what the client waits for. */
void client_wait(struct client *client);
/* After the round. */
void client_serve(struct client *client);
void client_drop(struct client *client);
/*
 * It has all it gets: end of file for it, then what it still sends is thrown
 * away until it closes too. A plain close would reset a client that writes,
 * and it would lose the output that it did not read yet.
 */
void client_finish(struct client *client);
/* True while new connections can be taken; sets a deadline when they can be later. */
bool client_can_accept(void);
/* A starting exec said something: its asker hears when it is decided. */
void client_settle_exec(struct session *session);
/* Send EXITED of a session to every control client; true when one took it. */
bool client_tell_end(const struct session *session);
/* A whole frame to a control client; one that cannot take it is dropped: false. */
bool client_send(struct client *client, uint16_t kind, uint64_t id, const void *payload, uint32_t length);
/* The 32 bytes of an EXITED payload. */
#define EXITED_BYTES 32u
void client_encode_exit(uint8_t *out, const struct session *session);

#endif
