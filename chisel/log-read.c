/*
 * Reading segments: what an earlier monitor left, and cursors. See log.h.
 *
 * Invariant: nothing read from a segment is trusted further than its bounds
 * were checked; the payload is the container's.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "log-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RETAINED_MAX 32u

/* Segments held open when the directory may vanish under the last readers. */
static struct { uint32_t number; int fd; } retained[RETAINED_MAX];
static uint32_t retained_count;

uint32_t log_record_length(const uint8_t *bytes, size_t available) {
  if (available < LOG_HEAD + 1 + LOG_TAIL) return 0;
  uint32_t n = get_u32(bytes);
  if (n == 0 || n > LOG_PAYLOAD_MAX || n + LOG_HEAD + LOG_TAIL > available) return 0;
  if (bytes[4] != 1 && bytes[4] != 2) return 0;
  if (bytes[5] > (LOG_FLAG_NOTE | LOG_FLAG_CONTINUES) || get_u32(bytes + LOG_HEAD + n) != n) return 0;
  return n + LOG_HEAD + LOG_TAIL;
}

/* The number in `NNNNNNNN.log`, 0 when the name is another. */
static uint32_t parse_name(const char *name) {
  uint64_t number = 0;
  size_t digits = 0;
  for (; name[digits] >= '0' && name[digits] <= '9' && digits < 10; digits++) number = number * 10 + (uint64_t)(name[digits] - '0');
  return digits >= 8 && number < UINT32_MAX && strcmp(name + digits, ".log") == 0 ? (uint32_t)number : 0;
}

/* Smallest and greatest segment number in the directory, 0 and 0: none; counts the segments. */
static void scan_directory(struct log *log, uint32_t *least, uint32_t *greatest) {
  *least = *greatest = 0;
  int fd = openat(log->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  uint8_t entries[1024] __attribute__((aligned(8)));
  long count;
  while ((count = syscall(SYS_getdents64, fd, entries, sizeof entries)) > 0) {
    /* struct linux_dirent64: u64 inode, u64 offset, u16 length, u8 type, the name. */
    for (long at = 0; at < count; at += get_u16(entries + at + 16)) {
      uint32_t number = parse_name((const char *)entries + at + 19);
      if (number == 0) continue;
      log->kept++;
      if (*least == 0 || number < *least) *least = number;
      if (number > *greatest) *greatest = number;
    }
  }
  close(fd);
}

static ssize_t read_at(int fd, uint8_t *bytes, size_t count, uint64_t offset) {
  ssize_t done;
  do done = pread(fd, bytes, count, (off_t)offset); while (done < 0 && errno == EINTR);
  return done;
}

/* Walk the records from `at`: true when they end exactly at the end of the file. */
static bool walk_to_end(struct log *log, uint64_t at, uint64_t end) {
  while (at < end) {
    ssize_t got = read_at(log->fd, log_memory, LOG_MEMORY, at);
    if (got <= 0) return false;
    size_t used = 0;
    for (;;) {
      uint32_t length = log_record_length(log_memory + used, (size_t)got - used);
      if (length == 0) break;
      log->lines += get_u16(log_memory + used + 6);
      used += length;
    }
    if (used == 0) return false;
    at += used;
  }
  return at == end;
}

/* Go on in a segment of an earlier monitor: only when all of it is whole and there is room. */
static bool resume_segment(struct log *log, uint32_t number) {
  char name[LOG_NAME];
  log_name(name, number);
  uint8_t header[LOG_HEADER];
  struct stat st;
  log->fd = openat(log->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (log->fd < 0) return false;
  if (fstat(log->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)LOG_HEADER) return false;
  if ((uint64_t)st.st_size >= log->segment_max || read_at(log->fd, header, sizeof header, 0) != (ssize_t)sizeof header) return false;
  if (memcmp(header, LOG_MAGIC, 8) != 0 || get_u32(header + 8) != LOG_VERSION || get_u32(header + 12) != log->interval) return false;
  uint64_t at = LOG_HEADER;
  log->size = (uint64_t)st.st_size;
  log->lines = 0;
  for (log->entries = 0; log->entries < LOG_INDEX_MAX; log->entries++) {
    const uint8_t *entry = header + LOG_FIXED + log->entries * LOG_ENTRY;
    uint64_t offset = get_u64(entry);
    if (offset == 0) break;
    if (offset < at || offset >= log->size) return false;
    at = offset;
    log->lines = get_u64(entry + 16);
  }
  log->index_next = log->entries == 0 ? LOG_HEADER : at + log->interval;
  return walk_to_end(log, at, log->size);
}

void log_prepare(struct log *log) {
  if (log->is_prepared) return;
  log->is_prepared = true;
  uint32_t least;
  uint32_t greatest;
  scan_directory(log, &least, &greatest);
  log->oldest = least == 0 ? 1 : least;
  log->number = greatest;
  if (greatest != 0 && log->kind != LOG_SPOOL && resume_segment(log, greatest)) return;
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
  log->size = LOG_HEADER;
  log->number = greatest + 1;
  if (log->kind != LOG_SPOOL && least != 0) return;
  log->oldest = log->number;
  log->kept = 0;
}

struct cursor log_end(struct log *log) {
  log_prepare(log);
  return (struct cursor){.number = log->number, .fd = -1, .at = log->size};
}

/* The segment's own descriptor for this cursor; -1 when it is not there. */
static int open_segment(const struct log *log, uint32_t number) {
  for (uint32_t i = 0; i < retained_count; i++) {
    if (retained[i].number == number) return fcntl(retained[i].fd, F_DUPFD_CLOEXEC, 3);
  }
  char name[LOG_NAME];
  log_name(name, number);
  return openat(log->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

struct cursor log_begin(struct log *log, uint64_t *bytes) {
  log_prepare(log);
  *bytes = log->size - LOG_HEADER;
  for (uint32_t number = log->oldest; number < log->number; number++) {
    char name[LOG_NAME];
    struct stat st;
    log_name(name, number);
    if (fstatat(log->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0) *bytes += (uint64_t)st.st_size;
  }
  uint32_t first = log->oldest < log->number ? log->oldest : log->number;
  return (struct cursor){.number = first, .fd = -1, .at = LOG_HEADER};
}

void log_retain(struct log *log, uint32_t from) {
  for (uint32_t number = from; number < log->number && retained_count < RETAINED_MAX; number++) {
    int fd = open_segment(log, number);
    if (fd < 0) continue;
    retained[retained_count].number = number;
    retained[retained_count++].fd = fd;
  }
}

/* To the start of the next segment that is there. False: it was rotated away before the cursor came. */
static bool move_on(const struct log *log, struct cursor *cursor) {
  if (cursor->fd >= 0) close(cursor->fd);
  cursor->fd = -1;
  cursor->at = LOG_HEADER;
  while (++cursor->number < log->number) {
    if (cursor->number < log->oldest) return false;
    cursor->fd = open_segment(log, cursor->number);
    if (cursor->fd >= 0) return true;
    if (errno != ENOENT) return false;
  }
  return true;
}

static int read_newest(const struct log *log, const struct cursor *cursor, uint8_t *buffer, size_t size) {
  if (cursor->at >= log->size) return 0;
  uint64_t left = log->size - cursor->at;
  if (left < size) size = (size_t)left;
  if (!log->is_in_memory) return (int)read_at(log->fd, buffer, size, cursor->at);
  memcpy(buffer, log_memory + (cursor->at - LOG_HEADER), size);
  return (int)size;
}

int log_read(struct log *log, struct cursor *cursor, uint8_t *buffer, size_t size) {
  for (;;) {
    if (cursor->number == 0) return -1;
    if (cursor->number >= log->number) return read_newest(log, cursor, buffer, size);
    if (cursor->fd < 0) cursor->fd = open_segment(log, cursor->number);
    if (cursor->fd < 0) return -1;
    ssize_t got = read_at(cursor->fd, buffer, size, cursor->at);
    if (got < 0) return -1;
    /* A torn record of a monitor that was killed ends its segment, as the end of the file does. */
    if (log_record_length(buffer, (size_t)got) != 0) return (int)got;
    if (!move_on(log, cursor)) return -1;
  }
}
