/*
 * Bytes in and out of descriptors, frames, reports, and one line of complaint:
 * what every part of the chisel needs and libc does with more memory.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "chisel.h"

void fd_cleanup(int *fd) {
  if (*fd < 0) return;
  int saved = errno;
  close(*fd);
  errno = saved;
}

static void wait_for(int fd, short events) {
  struct pollfd entry = { .fd = fd, .events = events };
  poll(&entry, 1, -1);
}

int read_exact(int fd, void *buffer, size_t size) {
  uint8_t *at = buffer;
  size_t left = size;
  while (left > 0) {
    ssize_t got = read(fd, at, left);
    if (got > 0) {
      at += got;
      left -= (size_t)got;
    } else if (got == 0) {
      return left == size ? -ENODATA : -EPIPE;
    } else if (errno == EAGAIN) {
      wait_for(fd, POLLIN);
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

int write_all(int fd, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  while (size > 0) {
    ssize_t put = write(fd, at, size);
    if (put >= 0) {
      at += put;
      size -= (size_t)put;
    } else if (errno == EAGAIN) {
      wait_for(fd, POLLOUT);
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

ssize_t read_whole(int fd, void *buffer, size_t size) {
  uint8_t *at = buffer;
  size_t total = 0;
  uint8_t more;
  for (;;) {
    bool full = total == size;
    ssize_t got = full ? read(fd, &more, 1) : read(fd, at + total, size - total);
    if (got == 0) return (ssize_t)total;
    if (got > 0 && full) return -EFBIG;
    if (got > 0) total += (size_t)got;
    else if (errno != EINTR) return -errno;
  }
}

void format_decimal(char *out, uint64_t value) { *put_decimal(out, value) = '\0'; }

void complain(const char *prefix, const char *message, int err) {
  char line[512];
  const char *parts[] = { prefix, ": ", message, err == 0 ? "" : ": ", err == 0 ? "" : strerror(err), "\n" };
  size_t size = 0;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    size_t length = strnlen(parts[i], sizeof line - size);
    memcpy(line + size, parts[i], length);
    size += length;
  }
  (void)write_all(STDERR_FILENO, line, size);
}

void frame_header(uint8_t *out, uint16_t kind, uint64_t id, uint32_t length) {
  put_u32(out, FRAME_HEADER - 4u + length);
  put_u16(out + 4, kind);
  put_u16(out + 6, 0);
  put_u64(out + 8, id);
}

int frame_parse_header(const uint8_t *header, struct frame *out) {
  uint32_t length = get_u32(header);
  if (length < FRAME_HEADER - 4u) return -EPROTO;
  if (length > FRAME_MAX) return -EMSGSIZE;
  *out = (struct frame){
    .kind = get_u16(header + 4),
    .flags = get_u16(header + 6),
    .id = get_u64(header + 8),
    .length = length - (FRAME_HEADER - 4u),
  };
  return 0;
}

int frame_read(int fd, uint8_t *buffer, size_t size, struct frame *out) {
  uint8_t header[FRAME_HEADER];
  int err = read_exact(fd, header, sizeof header);
  if (err == 0) err = frame_parse_header(header, out);
  if (err < 0) return err;
  if (out->length > size) return -EMSGSIZE;
  out->payload = buffer;
  err = read_exact(fd, buffer, out->length);
  return err == -ENODATA ? -EPIPE : err;
}

int frame_send(int fd, uint16_t kind, uint64_t id, const void *payload, uint32_t length) {
  uint8_t bytes[FRAME_SMALL];
  if (FRAME_HEADER + length >= FRAME_SMALL) return -EMSGSIZE;
  frame_header(bytes, kind, id, length);
  memcpy(bytes + FRAME_HEADER, payload, length);
  return write_all(fd, bytes, FRAME_HEADER + length);
}

void report_encode(uint8_t *out, const struct report *report) {
  put_u32(out, report->index);
  put_u32(out + 4, (uint32_t)report->err);
  put_u32(out + 8, report->call);
}
