/*
 * The monitor's half of name resolution: two sockets in the process' network
 * namespace, and one connection to whoever knows the answers. Messages are
 * carried, and but for their ids never read.
 *
 * Invariants: nothing here blocks the monitor; what is asked inside is bounded
 * in size, rate and number; whoever answers may be gone and come back.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_RESOLVER_H
#define CHISEL_RESOLVER_H

#include "chisel.h"

/* Take over the sockets that the resolver op of the plan made; without one nothing happens. */
void resolver_init(const struct plan *plan, int sockets[2]);
/* Add to the round what is waited for. */
void resolver_wait(void);
/* After the round. */
void resolver_serve(void);
/* The process is gone: its network namespace is not held any longer. */
void resolver_end(void);

#endif
