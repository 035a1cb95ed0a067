/*
 * Raw bytes between attached clients and processes: attach.c for the
 * container's own, attach-exec.c for execs, attach-input.c the other way.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_ATTACH_H
#define CHISEL_ATTACH_H

#include "client.h"

#define ATTACH_SCRATCH 65536u
/* Any record fits; overwritten by every call of attach.c. */
extern uint8_t attach_scratch[ATTACH_SCRATCH];
/* Its pages were touched. */
extern bool attach_scratch_used;

/* ---- shared by the files of attach ---- */

/* The client asked for this stream. */
bool attach_is_wanted(const struct client *client, uint8_t stream);
/* Docker's stream header before `payload`, where room for it is; the start of both. */
uint8_t *attach_put_stream_header(uint8_t *payload, uint8_t stream, uint32_t count);
/* Bytes sent; 0: not now; its output side may be found dead. */
struct iovec;
size_t attach_send_parts(struct client *client, struct iovec *parts, size_t count);
/* It will read no more, but what it wrote may still be on its way to the process. */
void attach_end_output(struct client *client);
/* The rest of the held output to one client of an exec. */
void attach_serve_exec(struct client *client);

/* ---- for the monitor ---- */

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
