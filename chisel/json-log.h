/*
 * The same output once more in the json-file layout: `json.log`, rotated to
 * `json.log.1` and so on, for programs that read Docker's files.
 *
 * Invariant: a record is one line of JSON whatever bytes the process wrote;
 * the process chooses neither its stream nor its time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_JSON_LOG_H
#define CHISEL_JSON_LOG_H

#include <stddef.h>
#include <stdint.h>

struct json_log {
  int dir;            /* state directory */
  int fd;             /* json.log, -1 until the first line */
  uint32_t files;     /* kept, the current one included */
  uint64_t max;       /* bytes of one file */
  uint64_t size;
  uint64_t lost;      /* payload bytes not written, not yet told */
  uint64_t retry_ms;  /* while the disk refuses: when it is tried again */
  int error;
};

void json_log_init(struct json_log *log, int dir, uint64_t max, uint32_t files);
/* Add what one read(2) gave; whole lines are written, the rest waits for its newline or 16 KiB. */
void json_log_append(struct json_log *log, uint8_t stream, uint64_t time_ns, const uint8_t *bytes, size_t count);
/* Give idle memory back. */
void json_log_release(void);
/* The process is gone: write the lines that never ended. */
void json_log_finish(struct json_log *log, uint64_t time_ns);

#endif
