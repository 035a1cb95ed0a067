/*
 * The log of one process: numbered segments, indexed, bounded, written once
 * and read by cursors. Format: docs/chisel-protocol.md, "Log segments".
 *
 * Invariants: a segment on disk always ends with a whole record (a failed
 * write is cut off again); a failing disk never blocks or loses a reader that
 * keeps up: output then goes to a bounded memory segment, which becomes a real
 * one when the disk takes writes again.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_LOG_H
#define CHISEL_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_HEADER 4096u          /* bytes before the first record of a segment */
#define LOG_HEAD 16u              /* bytes of a record before its payload */
#define LOG_TAIL 4u               /* bytes of a record after its payload */
#define LOG_PAYLOAD_MAX 61440u    /* 15 pages: newlines always fit their 16 bits */
#define LOG_RECORD_MAX (LOG_HEAD + LOG_PAYLOAD_MAX + LOG_TAIL)
#define LOG_INDEX_MAX 160u
#define LOG_FLAG_NOTE 1u          /* a record written by carve, not by the process: attached clients do not see it */
#define LOG_FLAG_CONTINUES 2u     /* the payload starts inside a line of its stream */
#define LOG_NOTE 160u             /* bytes that the text of a note needs at most */
#define LOG_CAPACITY_MIN 262144u  /* bytes a log keeps at least, over all its segments */

enum log_kind { LOG_SPOOL = 0, LOG_SEGMENTS = 1, LOG_JSON = 2 };

/* A place in the log. `fd` is -1 while the segment is the newest one, which the log itself holds open. */
struct cursor {
  uint32_t number;
  int fd;
  uint64_t at;
};

struct log {
  int dir;               /* state directory */
  int fd;                /* newest segment, -1 before the first record */
  uint32_t kind;
  uint32_t files;        /* segments kept */
  uint32_t number;       /* of the newest segment */
  uint32_t oldest;       /* kept; numbers from there on may have gaps */
  uint32_t kept;         /* segments on disk */
  uint32_t entries;      /* index entries of the newest segment */
  uint32_t interval;
  uint64_t segment_max;  /* bytes */
  uint64_t size;         /* bytes of the newest segment, its header included */
  uint64_t index_next;   /* offset from which the next record gets an index entry */
  uint64_t lines;        /* newlines in the newest segment */
  uint64_t lost;         /* payload bytes that are in no segment, not yet told */
  uint64_t retry_ms;     /* when the disk is tried again; only in memory */
  int error;             /* errno that sent the log to memory */
  bool is_in_memory;     /* the newest segment is the memory segment */
  bool is_prepared;      /* the directory was looked at */
  bool is_inside_line[2]; /* of stdout, stderr: the last byte was not a newline */
  /* Called before a segment that cursors may still read is given up; they dup `fd` or lose their place. */
  void (*leave)(int fd, uint32_t number, uint64_t size);
};

/* Precondition: `log` is zero but for dir, kind and leave. Touches no file. */
void log_init(struct log *log, uint64_t segment_max, uint32_t files);
/* Where the next record will stand. Looks at the directory the first time. */
struct cursor log_end(struct log *log);
/* Where the oldest kept record stands; `*bytes` is set to what lies from there to the end. */
struct cursor log_begin(struct log *log, uint64_t *bytes);
/*
 * Write one record. `record` has LOG_HEAD bytes of room before the `n` payload
 * bytes and LOG_TAIL after; they are filled in. Returns the place of the
 * record; never fails.
 */
struct cursor log_append(struct log *log, uint8_t *record, uint32_t n, uint8_t stream);
/*
 * Bytes at the cursor, at most `size`; starts at a record. 0: nothing more
 * yet. -1: the place is gone. Moves over the end of a segment to the next.
 */
int log_read(struct log *log, struct cursor *cursor, uint8_t *buffer, size_t size);
/* In memory, and so full that the next record may start it over: who is behind then loses its place. */
bool log_is_near_reset(const struct log *log);
/* Bytes the log may keep. */
uint64_t log_capacity(const struct log *log);
/* Open what `cursor` will need though the directory may vanish: from its segment to the newest. */
void log_retain(struct log *log, uint32_t from);
/* Milliseconds (monotonic) at which log_tick has work, UINT64_MAX: never. */
uint64_t log_deadline(const struct log *log);
/* Try the disk again when it is time. */
void log_tick(struct log *log, uint64_t now_ms);
/* Give idle memory back. */
void log_release(const struct log *log);
/* The process is gone: last try of the disk; a spool is removed. */
void log_finish(struct log *log);
/* The sentence of a note, at most LOG_NOTE bytes; its length. */
size_t log_loss_text(char *text, uint64_t lost, int error);
/* The record at `bytes` is whole and sane; its length with head and tail, else 0. */
uint32_t log_record_length(const uint8_t *bytes, size_t available);

#endif
