/*
 * Raw bytes between attached clients and processes: attach.c.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_ATTACH_H
#define CHISEL_ATTACH_H

#include "client.h"

#define ATTACH_SCRATCH 65536u
/* Any record fits; overwritten by every call of attach.c. */
extern uint8_t attach_scratch[ATTACH_SCRATCH];

/* The log of the process' output. Precondition: session 0 knows how many clients are expected. */
void attach_init(struct log *log);
/* An ATTACH request; 0 or -errno. */
int attach_begin(struct client *client, uint32_t streams, uint32_t session_id);
/* True when the process must wait: a client that may lose nothing is far behind. */
bool attach_holds_process(void);
/* True when output of the process has a reader or will have one. */
bool attach_has_listeners(void);
/* A record was just written at `place`: give it to those who wait for it. Overwrites the record's time. */
void attach_record(uint8_t *record, struct cursor place);
/* `count` bytes of an exec's output stand in session_held after the stream header. */
void attach_exec_output(struct session *session, uint8_t stream, uint32_t count);
/* The log grew. */
void attach_tell_watchers(void);
/* The log is complete: watchers read the rest and go. */
void attach_end_watchers(void);
/* True when the client has something to take. */
bool attach_wants_output(const struct client *client);
/* True when bytes it sends can be used now. */
bool attach_wants_input(const struct client *client);
void attach_serve_output(struct client *client);
void attach_serve_input(struct client *client);
/* True when the client took nothing for longer than it may; sets the deadline. */
bool attach_is_late(const struct client *client);
/* Every segment that a reader still needs is opened: the directory may go. */
void attach_retain(void);
/* No more output will come: drop those who have all. True when nobody is left. */
bool attach_flush(void);
/* Held output that all clients of an exec have, or that nobody is there for, makes room for more. */
void attach_release_held(struct session *session);
/* The session ended: its clients are closed. */
void attach_close_exec(const struct session *session);

#endif
