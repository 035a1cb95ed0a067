/*
 * `chisel keep`: plans of one daemon, run by this process itself one after the
 * other, so that what they open stays open for the next. It is closed with the
 * daemon, however that ends; `chisel keep NAME` keeps it until it is killed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "run.h"

int keep_main(bool stays) {
  static uint8_t bytes[FRAME_MAX] __attribute__((aligned(4096)));
  struct slots slots;
  struct frame frame;
  int err = 0;
  slots_init(&slots);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  setsid(); /* the daemon's terminal is not ours */
  while (err == 0) {
    err = frame_read(STDIN_FILENO, bytes, sizeof bytes, &frame);
    if (err == 0) err = frame.kind == FRAME_APPLY ? host_apply(&frame, &slots) : host_refuse(&frame, EPROTO, CALL_DECODE);
  }
  while (stays) pause();
  return err == -ENODATA || err == -EPIPE ? 0 : 1;
}
