/*
 * The exit record of the container's process, and whether the kernel ran out
 * of memory for it.
 *
 * Invariant: a record on disk is whole and true; its room is taken when the
 * process starts, so that a full disk cannot lose it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_EXIT_RECORD_H
#define CHISEL_EXIT_RECORD_H

#include "session.h"

struct exit_record {
  int dir;        /* state directory */
  int fd;         /* `exit.tmp` */
  int oom;        /* the file with an `oom_kill` line, -1: unknown */
  uint64_t kills; /* that line's number before the process started */
};

/* Remove the record of an earlier run and take the room of the next. */
int exit_record_prepare(struct exit_record *record, int dir, const char *oom_path);
/* The process runs now: its cgroup is there. */
void exit_record_watch(struct exit_record *record, const char *oom_path);
/* The process is gone: did the kernel kill for memory while it ran? */
bool exit_record_was_oom(const struct exit_record *record);
/* Write the record of `session` and give it its name. */
void exit_record_write(struct exit_record *record, const struct session *session);
/* The process never ran: leave nothing. */
void exit_record_discard(struct exit_record *record);

#endif
