/*
 * Writing segments: append, index, rotate, and carry on in memory while the
 * disk refuses. See log.h; the reading side is log-read.c.
 *
 * Source: docs/chisel-protocol.md "Log segments"; open(2), pwrite(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "log-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pages.h"

#define INTERVAL_MIN 65536u
#define SPOOL_SEGMENT (1u << 20)
#define SPOOL_FILES 4u
#define RETRY_MS 1000u

uint8_t log_memory[LOG_MEMORY] __attribute__((aligned(4096)));

void log_init(struct log *log, uint64_t segment_max, uint32_t files) {
  if (log->kind == LOG_SPOOL) {
    segment_max = SPOOL_SEGMENT;
    files = SPOOL_FILES;
  }
  log->files = files == 0 ? 1 : files;
  uint64_t least = LOG_CAPACITY_MIN / (log->files < 2 ? 1 : 2);
  log->segment_max = segment_max < least ? least : segment_max;
  uint64_t interval = log->segment_max / LOG_INDEX_MAX;
  log->interval = interval < INTERVAL_MIN ? INTERVAL_MIN : interval > UINT32_MAX ? UINT32_MAX : (uint32_t)interval;
  log->fd = -1;
}

uint64_t log_capacity(const struct log *log) {
  return log->segment_max > UINT64_MAX / log->files ? UINT64_MAX : log->segment_max * log->files;
}

bool log_is_near_reset(const struct log *log) {
  return log->is_in_memory && log->size - LOG_HEADER + LOG_RECORD_MAX > LOG_MEMORY;
}

void log_name(char *name, uint32_t number) {
  char digits[10];
  int count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0 || count < 8);
  while (count > 0) *name++ = digits[--count];
  memcpy(name, ".log", 5);
}

/* Write all of `bytes` at `offset`; 0 or the errno that stopped it. */
static int write_at(int fd, const uint8_t *bytes, size_t count, uint64_t offset) {
  while (count > 0) {
    ssize_t done = pwrite(fd, bytes, count, (off_t)offset);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return done == 0 ? ENOSPC : errno;
    bytes += done;
    count -= (size_t)done;
    offset += (uint64_t)done;
  }
  return 0;
}

/* A new file of the next number with its header; its fd, or -errno with nothing left behind. */
static int create_segment(const struct log *log, uint32_t number) {
  char name[LOG_NAME];
  log_name(name, number);
  int fd = openat(log->dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return -errno;
  /* The whole page is written now, so that an index entry never needs room that a full disk lacks. */
  static const uint8_t zeros[LOG_HEADER - LOG_FIXED];
  uint8_t fixed[LOG_FIXED];
  memcpy(fixed, LOG_MAGIC, 8);
  put_u32(fixed + 8, LOG_VERSION);
  put_u32(fixed + 12, log->interval);
  put_u64(fixed + 16, realtime_ns());
  int error = write_at(fd, zeros, sizeof zeros, LOG_FIXED);
  if (error == 0) error = write_at(fd, fixed, sizeof fixed, 0);
  if (error == 0) return fd;
  close(fd);
  unlinkat(log->dir, name, 0);
  return -error;
}

static void remove_oldest(struct log *log) {
  for (; log->kept > log->files && log->oldest < log->number; log->oldest++) {
    char name[LOG_NAME];
    log_name(name, log->oldest);
    if (unlinkat(log->dir, name, 0) == 0) log->kept--;
  }
}

static void begin_segment(struct log *log, uint32_t number, int fd) {
  log->number = number;
  log->fd = fd;
  log->size = LOG_HEADER;
  log->index_next = LOG_HEADER;
  log->entries = 0;
  log->lines = 0;
}

/* Go to memory: the next number stands for the memory segment. */
static void enter_memory(struct log *log, int error) {
  bool is_first = log->fd < 0;
  if (!is_first) {
    log->leave(log->fd, log->number, log->size);
    close(log->fd);
  }
  begin_segment(log, is_first ? log->number : log->number + 1, -1);
  log->is_in_memory = true;
  log->error = error;
  log->retry_ms = monotonic_ms() + RETRY_MS;
}

/* The memory segment is full: what it holds is lost to the disk, and to readers that did not keep up. */
static void reset_memory(struct log *log) {
  for (uint64_t at = LOG_HEADER; at < log->size;) {
    const uint8_t *record = log_memory + (at - LOG_HEADER);
    log->lost += get_u32(record);
    at += get_u32(record) + LOG_HEAD + LOG_TAIL;
  }
  log->leave(-1, log->number, log->size);
  begin_segment(log, log->number + 1, -1);
}

static bool open_next(struct log *log) {
  uint32_t number = log->fd < 0 ? log->number : log->number + 1;
  int fd = create_segment(log, number);
  if (fd < 0) {
    enter_memory(log, -fd);
    return false;
  }
  if (log->fd >= 0) {
    log->leave(log->fd, log->number, log->size);
    close(log->fd);
  }
  begin_segment(log, number, fd);
  log->kept++;
  remove_oldest(log);
  return true;
}

/* Eight bytes at a time: a byte of `x` is zero where the text has a newline. */
static uint32_t count_newlines(const uint8_t *bytes, uint32_t count) {
  const uint64_t ones = 0x0101010101010101u;
  uint32_t found = 0;
  uint32_t i = 0;
  while (i + 8 <= count) {
    uint64_t sums = 0;
    /* 255 rounds at most, or a byte of the sum would overflow. */
    for (uint32_t round = 0; round < 255 && i + 8 <= count; round++, i += 8) {
      uint64_t x = get_u64(bytes + i) ^ (ones * '\n');
      uint64_t rest = (x & ~(ones << 7)) + ~(ones << 7);
      sums += (~(rest | x) >> 7) & ones;
    }
    for (; sums != 0; sums >>= 8) found += (uint32_t)(sums & 0xff);
  }
  for (; i < count; i++) found += bytes[i] == '\n';
  return found;
}

/* Index entries are made after their record: an entry always names a whole one. */
static void add_index(struct log *log, uint64_t at, uint64_t time_ns) {
  if (at < log->index_next || log->entries >= LOG_INDEX_MAX) return;
  uint8_t entry[LOG_ENTRY];
  put_u64(entry, at);
  put_u64(entry + 8, time_ns);
  put_u64(entry + 16, log->lines);
  write_at(log->fd, entry, sizeof entry, LOG_FIXED + (uint64_t)log->entries * LOG_ENTRY);
  log->entries++;
  log->index_next = at + log->interval;
}

static uint32_t seal_record(uint8_t *record, uint32_t n, uint8_t stream, uint8_t flags) {
  uint32_t newlines = count_newlines(record + LOG_HEAD, n);
  put_u32(record, n);
  record[4] = stream;
  record[5] = flags;
  put_u16(record + 6, (uint16_t)newlines);
  put_u64(record + 8, realtime_ns());
  put_u32(record + LOG_HEAD + n, n);
  return newlines;
}

/* To disk; false when the disk refused, the segment then ends where it did before. */
static bool append_disk(struct log *log, const uint8_t *record, uint32_t length) {
  if (log->fd < 0 || (log->size + length > log->segment_max && log->size > LOG_HEADER)) {
    if (!open_next(log)) return false;
  }
  int error = write_at(log->fd, record, length, log->size);
  if (error == 0) return true;
  /* Shrinking needs no room. Should even that fail: nothing is written after the torn record, where readers stop. */
  if (ftruncate(log->fd, (off_t)log->size) < 0) log->error = errno;
  enter_memory(log, error);
  return false;
}

static struct cursor append(struct log *log, uint8_t *record, uint32_t n, uint8_t stream, uint8_t flags) {
  log_prepare(log);
  uint32_t newlines = seal_record(record, n, stream, flags);
  uint32_t length = n + LOG_HEAD + LOG_TAIL;
  bool is_on_disk = !log->is_in_memory && append_disk(log, record, length);
  if (!is_on_disk) {
    if (log->size - LOG_HEADER + length > LOG_MEMORY) reset_memory(log);
    memcpy(log_memory + (log->size - LOG_HEADER), record, length);
  }
  struct cursor place = {.number = log->number, .fd = -1, .at = log->size};
  if (is_on_disk) add_index(log, log->size, get_u64(record + 8));
  log->size += length;
  log->lines += newlines;
  return place;
}

struct cursor log_append(struct log *log, uint8_t *record, uint32_t n, uint8_t stream) {
  bool *is_inside_line = &log->is_inside_line[stream - 1];
  uint8_t flags = *is_inside_line ? LOG_FLAG_CONTINUES : 0;
  *is_inside_line = record[LOG_HEAD + n - 1] != '\n';
  return append(log, record, n, stream, flags);
}

/* The memory segment becomes the file of its number: offsets stay, so cursors stay true. False: not yet. */
static bool leave_memory(struct log *log) {
  int fd = create_segment(log, log->number);
  int error = fd < 0 ? -fd : write_at(fd, log_memory, (size_t)(log->size - LOG_HEADER), LOG_HEADER);
  if (error != 0) {
    if (fd >= 0) {
      char name[LOG_NAME];
      log_name(name, log->number);
      unlinkat(log->dir, name, 0);
      close(fd);
    }
    log->error = error;
    return false;
  }
  log->fd = fd;
  log->is_in_memory = false;
  log->lines = 0;
  for (uint64_t at = LOG_HEADER; at < log->size;) {
    const uint8_t *record = log_memory + (at - LOG_HEADER);
    add_index(log, at, get_u64(record + 8));
    log->lines += get_u16(record + 6);
    at += get_u32(record) + LOG_HEAD + LOG_TAIL;
  }
  log->kept++;
  remove_oldest(log);
  return true;
}

size_t log_loss_text(char *text, uint64_t lost, int error) {
  char *end = put_text(text, "carve: ");
  end = put_decimal(end, lost);
  end = put_text(end, " bytes of output before this line were not logged: ");
  end = put_text(end, error == ENOSPC ? "no space left on device" : error == EDQUOT ? "disk quota exceeded" : "write error");
  end = put_text(end, "\n");
  return (size_t)(end - text);
}

/* What was lost is said once, as a record of the log itself. */
static void tell_loss(struct log *log) {
  uint8_t record[LOG_HEAD + LOG_NOTE + LOG_TAIL];
  uint32_t n = (uint32_t)log_loss_text((char *)record + LOG_HEAD, log->lost, log->error);
  log->lost = 0;
  append(log, record, n, 2, LOG_FLAG_NOTE);
}

uint64_t log_deadline(const struct log *log) { return log->is_in_memory ? log->retry_ms : UINT64_MAX; }

void log_tick(struct log *log, uint64_t now_ms) {
  if (!log->is_in_memory || now_ms < log->retry_ms) return;
  log->retry_ms = now_ms + RETRY_MS;
  if (leave_memory(log) && log->lost > 0 && log->kind != LOG_SPOOL) tell_loss(log);
}

void log_release(const struct log *log) {
  if (!log->is_in_memory) release_pages(log_memory, sizeof log_memory);
}

void log_finish(struct log *log) {
  if (!log->is_prepared) return;
  if (log->kind == LOG_SPOOL) {
    for (uint32_t number = log->oldest; number <= log->number; number++) {
      char name[LOG_NAME];
      log_name(name, number);
      unlinkat(log->dir, name, 0);
    }
    return;
  }
  log_tick(log, UINT64_MAX);
}
