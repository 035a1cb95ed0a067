/*
 * The poll set of a monitor. See wait.h. Source: ppoll(2).
 * SPDX-License-Identifier: Apache-2.0
 */
#define _GNU_SOURCE
#include "wait.h"

#include <poll.h>

#include "bytes.h"

static struct {
  uint64_t deadline_us;
  uint64_t now_us;
  uint32_t count;
  int ready;
  struct pollfd fds[WAIT_MAX];
} set;

void wait_begin(void) {
  set.count = 0;
  set.ready = 0;
  set.deadline_us = UINT64_MAX;
  if (set.now_us == 0) set.now_us = monotonic_us();
}

int16_t wait_for(int fd, short events) {
  if (fd < 0 || set.count >= WAIT_MAX) return -1;
  set.fds[set.count] = (struct pollfd){.fd = fd, .events = events};
  return (int16_t)set.count++;
}

void wait_until_us(uint64_t deadline_us) {
  if (deadline_us < set.deadline_us) set.deadline_us = deadline_us;
}

void wait_run(void) {
  struct timespec timeout = {0};
  struct timespec *bound = &timeout;
  if (set.deadline_us == UINT64_MAX) {
    bound = NULL;
  } else if (set.deadline_us > set.now_us) {
    uint64_t now_us = monotonic_us();
    uint64_t left_us = set.deadline_us > now_us ? set.deadline_us - now_us : 0;
    timeout.tv_sec = (time_t)(left_us / 1000000u);
    timeout.tv_nsec = (long)(left_us % 1000000u) * 1000;
  }
  /* An interrupted wait is a round without results. */
  set.ready = ppoll(set.fds, set.count, bound, NULL);
  set.now_us = monotonic_us();
}

short wait_result(int16_t ticket) {
  return ticket < 0 || set.ready <= 0 ? 0 : set.fds[ticket].revents;
}

uint64_t wait_now_us(void) { return set.now_us; }
