/*
 * Published ports where the kernel cannot send on what arrives: from ::1, which
 * no route leads away from, and from IPv6 to a process that has none. A process
 * of the monitor's carries it; it is there only while somebody is connected.
 *
 * Invariants: nothing here blocks the monitor, and nothing here is a part of
 * it: the process has the listening sockets and no right of any kind; it dies
 * with the monitor; what it carries is bounded in number, and stored by the
 * kernel's sockets alone.
 * Source: docs/decisions/0044.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_RELAY_H
#define CHISEL_RELAY_H

#include "chisel.h"

/* Look after the reserved ports that have somebody to reach. */
void relay_init(void);
/* Add to the round what is waited for. */
void relay_wait(void);
/* After the round. */
void relay_serve(void);
/* The process is gone: nobody new is let in, what it said last goes its way. */
void relay_finish(void);
/* That had its time; what is still carried ends now. Ports stay reserved. */
void relay_end(void);
/* Give a port back, and end what is carried for any. */
void relay_release(int protocol, const union endpoint *at);

#endif
