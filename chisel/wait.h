/*
 * One poll(2) round: who waits for what, and until when at most.
 *
 * A round is: wait_begin, every object adds its descriptors and deadlines,
 * wait_run, every object asks for its results.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_WAIT_H
#define CHISEL_WAIT_H

#include <stdint.h>

#define WAIT_MAX 1024u

void wait_begin(void);
/* Wait for `events` of `fd`; the ticket for wait_result, -1 when the set is full. Hang-up is always reported. */
int16_t wait_for(int fd, short events);
/* Return from wait_run at this monotonic microsecond at the latest. */
void wait_until_us(uint64_t deadline_us);
void wait_run(void);
/* What happened (POLLIN…); 0 for the ticket -1. */
short wait_result(int16_t ticket);
/* The monotonic microsecond when wait_run returned. */
uint64_t wait_now_us(void);

#endif
