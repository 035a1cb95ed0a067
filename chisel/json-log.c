/*
 * Lines to JSON records, and rotation by renaming. See json-log.h.
 *
 * Source: the json-file layout as Docker's tools read it: one object per line
 * with `log`, `stream`, `time` (RFC 3339, nanoseconds without trailing zeros);
 * lines longer than 16 KiB are split, only the last part ends in `\n`.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "json-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h> /* renameat(2) is declared here */
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "log.h"
#include "pages.h"

#define LINE_MAX_BYTES 16384u
#define RECORD_ROOM (LINE_MAX_BYTES * 6 + 128u) /* every byte as \u00XX, and what stands around */
#define RETRY_MS 1000u

static struct {
  uint8_t part[2][LINE_MAX_BYTES]; /* the unfinished line of each stream */
  uint8_t out[2 * RECORD_ROOM];
} buffers __attribute__((aligned(4096)));
static uint32_t part_count[2];
static size_t out_count;
static uint64_t out_payload; /* payload bytes that stand in `out` */

void json_log_init(struct json_log *log, int dir, uint64_t max, uint32_t files) {
  *log = (struct json_log){.dir = dir, .fd = -1, .max = max, .files = files == 0 ? 1 : files};
}

/* `json.log`, or `json.log.N` for N > 0. */
static void file_name(char *name, uint32_t number) {
  name = put_text(name, "json.log");
  if (number > 0) name = put_decimal(put_text(name, "."), number);
  *name = '\0';
}

static void rotate(struct json_log *log) {
  close(log->fd);
  log->fd = -1;
  for (uint32_t number = log->files - 1; number > 0; number--) {
    char from[24];
    char to[24];
    file_name(from, number - 1);
    file_name(to, number);
    renameat(log->dir, from, log->dir, to);
  }
  if (log->files == 1) unlinkat(log->dir, "json.log", 0);
}

static bool open_file(struct json_log *log) {
  if (log->fd >= 0) return true;
  struct stat st;
  log->fd = openat(log->dir, "json.log", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
  if (log->fd < 0) return false;
  if (fstat(log->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
    close(log->fd);
    log->fd = -1;
    return false;
  }
  log->size = (uint64_t)st.st_size;
  return true;
}

/* Write what stands in `out`. A refusing disk costs these lines, which are counted; nothing waits. */
static void flush(struct json_log *log) {
  if (out_count == 0) return;
  if (log->fd >= 0 && log->size > 0 && log->size + out_count > log->max) rotate(log);
  size_t done = 0;
  errno = 0;
  while (open_file(log) && done < out_count) {
    ssize_t step = write(log->fd, buffers.out + done, out_count - done);
    if (step < 0 && errno == EINTR) continue;
    if (step <= 0) break;
    done += (size_t)step;
  }
  if (done == out_count) {
    log->size += done;
  } else {
    log->error = errno == 0 ? ENOSPC : errno;
    /* A part of a line would spoil the next one: cut it off; if that fails too, a newline must do. */
    if (done > 0 && log->fd >= 0 && ftruncate(log->fd, (off_t)log->size) < 0 && write(log->fd, "\n", 1) == 1) log->size += done + 1;
    log->lost += out_payload;
    log->retry_ms = monotonic_ms() + RETRY_MS;
  }
  out_count = 0;
  out_payload = 0;
}

/* Length of the UTF-8 character at `s`, 0 when it is not one. Source: RFC 3629 §4. */
static size_t character_length(const uint8_t *s, size_t left) {
  uint8_t lead = s[0];
  size_t length = lead >= 0xf0 && lead <= 0xf4 ? 4 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xc2 && lead < 0xe0 ? 2 : 0;
  if (length == 0 || length > left) return 0;
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
  }
  if (lead == 0xe0 && s[1] < 0xa0) return 0;
  if (lead == 0xed && s[1] > 0x9f) return 0;
  if (lead == 0xf0 && s[1] < 0x90) return 0;
  if (lead == 0xf4 && s[1] > 0x8f) return 0;
  return length;
}

static uint8_t *put_ascii(uint8_t *out, uint8_t byte) {
  static const char hex[] = "0123456789abcdef";
  if (byte == '\\' || byte == '"') {
    *out++ = '\\';
    *out++ = byte;
  } else if (byte == '\n' || byte == '\r') {
    *out++ = '\\';
    *out++ = byte == '\n' ? 'n' : 'r';
  } else {
    out = (uint8_t *)put_text((char *)out, "\\u00");
    *out++ = (uint8_t)hex[byte >> 4];
    *out++ = (uint8_t)hex[byte & 15];
  }
  return out;
}

static bool is_plain(uint8_t byte) {
  return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
}

static uint8_t *put_escaped(uint8_t *out, const uint8_t *s, size_t count) {
  for (size_t i = 0; i < count;) {
    if (is_plain(s[i])) {
      *out++ = s[i++];
      continue;
    }
    if (s[i] < 0x80) {
      out = put_ascii(out, s[i++]);
      continue;
    }
    size_t length = character_length(s + i, count - i);
    if (length == 0) {
      out = (uint8_t *)put_text((char *)out, "\\ufffd");
      i++;
    } else if (length == 3 && s[i] == 0xe2 && s[i + 1] == 0x80 && (s[i + 2] == 0xa8 || s[i + 2] == 0xa9)) {
      /* U+2028 and U+2029 end a line in JavaScript. */
      out = (uint8_t *)put_text((char *)out, s[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
      i += length;
    } else {
      memcpy(out, s + i, length);
      out += length;
      i += length;
    }
  }
  return out;
}

static char *put_padded(char *out, uint64_t value, uint32_t width) {
  for (uint32_t i = width; i > 0; i--) {
    out[i - 1] = (char)('0' + value % 10);
    value /= 10;
  }
  return out + width;
}

/* Days since 1970-01-01 to year, month, day. Source: the proleptic Gregorian calendar, eras of 400 years from 0000-03-01. */
static char *put_date(char *out, uint64_t days) {
  uint64_t z = days + 719468;
  uint64_t era = z / 146097;
  uint64_t day_of_era = z % 146097;
  uint64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  uint64_t shifted = (5 * day_of_year + 2) / 153;
  uint64_t month = shifted < 10 ? shifted + 3 : shifted - 9;
  out = put_padded(out, year_of_era + era * 400 + (month <= 2), 4);
  *out++ = '-';
  out = put_padded(out, month, 2);
  *out++ = '-';
  return put_padded(out, day_of_year - (153 * shifted + 2) / 5 + 1, 2);
}

static char *put_time(char *out, uint64_t time_ns) {
  uint64_t seconds = time_ns / 1000000000u;
  uint64_t nanoseconds = time_ns % 1000000000u;
  uint64_t of_day = seconds % 86400;
  out = put_date(out, seconds / 86400);
  *out++ = 'T';
  out = put_padded(out, of_day / 3600, 2);
  *out++ = ':';
  out = put_padded(out, of_day / 60 % 60, 2);
  *out++ = ':';
  out = put_padded(out, of_day % 60, 2);
  if (nanoseconds != 0) {
    uint32_t width = 9;
    for (; nanoseconds % 10 == 0; nanoseconds /= 10) width--;
    *out++ = '.';
    out = put_padded(out, nanoseconds, width);
  }
  *out++ = 'Z';
  return out;
}

static void put_record(struct json_log *log, uint8_t stream, uint64_t time_ns, const uint8_t *text, size_t count) {
  if (out_count + RECORD_ROOM > sizeof buffers.out || (out_count > 0 && log->size + out_count >= log->max)) flush(log);
  uint8_t *out = buffers.out + out_count;
  out = (uint8_t *)put_text((char *)out, "{\"log\":\"");
  out = put_escaped(out, text, count);
  out = (uint8_t *)put_text((char *)out, stream == 1 ? "\",\"stream\":\"stdout\",\"time\":\"" : "\",\"stream\":\"stderr\",\"time\":\"");
  out = (uint8_t *)put_time((char *)out, time_ns);
  out = (uint8_t *)put_text((char *)out, "\"}\n");
  out_count = (size_t)(out - buffers.out);
  out_payload += count;
}

static void tell_loss(struct json_log *log, uint64_t time_ns) {
  char text[LOG_NOTE];
  uint64_t told = log->lost;
  size_t count = log_loss_text(text, told, log->error);
  log->lost = 0;
  put_record(log, 2, time_ns, (const uint8_t *)text, count);
  /* Should the disk refuse again, what it tells stays lost and untold. */
  out_payload += told - count;
}

/* Lines that have no end yet: what follows was lost, or never comes. */
static void put_parts(struct json_log *log, uint64_t time_ns) {
  for (uint8_t stream = 1; stream <= 2; stream++) {
    uint32_t count = part_count[stream - 1];
    if (count > 0) put_record(log, stream, time_ns, buffers.part[stream - 1], count);
    part_count[stream - 1] = 0;
  }
}

void json_log_append(struct json_log *log, uint8_t stream, uint64_t time_ns, const uint8_t *bytes, size_t count) {
  if (log->lost > 0) {
    if (monotonic_ms() < log->retry_ms) {
      log->lost += count;
      return;
    }
    put_parts(log, time_ns);
    tell_loss(log, time_ns);
  }
  uint8_t *part = buffers.part[stream - 1];
  uint32_t *have = &part_count[stream - 1];
  while (count > 0) {
    size_t room = LINE_MAX_BYTES - *have;
    size_t span = count < room ? count : room;
    const uint8_t *newline = memchr(bytes, '\n', span);
    /* A newline that does not fit with its line comes as a record of its own, as Docker writes it. */
    size_t take = newline == NULL ? span : (size_t)(newline - bytes) + 1;
    if (*have == 0 && (newline != NULL || take == LINE_MAX_BYTES)) {
      put_record(log, stream, time_ns, bytes, take);
    } else {
      memcpy(part + *have, bytes, take);
      *have += (uint32_t)take;
      if (newline != NULL || *have == LINE_MAX_BYTES) {
        put_record(log, stream, time_ns, part, *have);
        *have = 0;
      }
    }
    bytes += take;
    count -= take;
  }
  flush(log);
}

void json_log_release(void) {
  release_pages(buffers.out, sizeof buffers.out);
  for (int i = 0; i < 2; i++) {
    if (part_count[i] == 0) release_pages(buffers.part[i], LINE_MAX_BYTES);
  }
}

void json_log_finish(struct json_log *log, uint64_t time_ns) {
  put_parts(log, time_ns);
  if (log->lost > 0) tell_loss(log, time_ns);
  flush(log);
  if (log->fd >= 0) close(log->fd);
  log->fd = -1;
}
