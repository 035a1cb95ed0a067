/*
 * See exit-record.h. Source: docs/chisel-protocol.md "The exit record";
 * kernel: cgroup-v2.rst `memory.events`, cgroup-v1/memory.rst `memory.oom_control`.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "exit-record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h> /* renameat(2) is declared here */
#include <unistd.h>

#define ROOM 256u /* more than six lines of the longest numbers */

/* The number of the line `oom_kill N`; 0 without one. */
static uint64_t read_kills(int fd) {
  static const char key[] = "oom_kill ";
  char text[1024];
  ssize_t count = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
  if (count <= 0) return 0;
  text[count] = '\0';
  for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
    if (*line == '\n') line++;
    if (strncmp(line, key, sizeof key - 1) != 0) continue;
    uint64_t kills = 0;
    for (const char *digit = line + sizeof key - 1; *digit >= '0' && *digit <= '9'; digit++) kills = kills * 10 + (uint64_t)(*digit - '0');
    return kills;
  }
  return 0;
}

int exit_record_prepare(struct exit_record *record, int dir, const char *oom_path) {
  char room[ROOM];
  memset(room, '\n', sizeof room);
  *record = (struct exit_record){.dir = dir, .fd = -1, .oom = -1};
  unlinkat(dir, "exit", 0);
  record->fd = openat(dir, "exit.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (record->fd < 0) return -errno;
  int status = write_all(record->fd, room, sizeof room);
  if (*oom_path != '\0') {
    AUTO_FD int fd = open(oom_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    record->kills = read_kills(fd);
  }
  return status;
}

void exit_record_watch(struct exit_record *record, const char *oom_path) {
  if (*oom_path != '\0') record->oom = open(oom_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

bool exit_record_was_oom(const struct exit_record *record) { return read_kills(record->oom) > record->kills; }

static char *put_line(char *at, const char *key, uint64_t value) {
  at = put_text(at, key);
  *at++ = ' ';
  at = put_decimal(at, value);
  *at++ = '\n';
  return at;
}

void exit_record_write(struct exit_record *record, const struct session *session) {
  char text[ROOM];
  char *end = put_line(text, "code", (uint64_t)session->code);
  end = put_line(end, "signal", (uint64_t)session->signal);
  end = put_line(end, "oom", session->is_oom);
  end = put_line(end, "started", session->started_ns);
  end = put_line(end, "exited", session->exited_ns);
  end = put_line(end, "pid", (uint64_t)session->process.pid);
  size_t count = (size_t)(end - text);
  /* The blocks are ours already, see prepare. */
  if (pwrite(record->fd, text, count, 0) != (ssize_t)count || ftruncate(record->fd, (off_t)count) < 0) return;
  renameat(record->dir, "exit.tmp", record->dir, "exit");
}

void exit_record_discard(struct exit_record *record) {
  if (record->fd >= 0) unlinkat(record->dir, "exit.tmp", 0);
}
