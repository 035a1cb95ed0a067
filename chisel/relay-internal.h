/*
 * What the files of the relay's process share. It waits as a monitor does, by
 * wait.h, in a set of its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_RELAY_INTERNAL_H
#define CHISEL_RELAY_INTERNAL_H

#include "chisel.h"

#define RELAY_BUFFER 262144u

/* For one call: nothing is kept in it between two. */
extern uint8_t relay_buffer[RELAY_BUFFER];

/* Connections: as the functions of relay.h. `streams_may_accept` false: wait_until_us says when to ask again. */
void streams_init(void);
bool streams_may_accept(void);
void streams_accept(const struct reserved_port *port);
bool streams_wait(void);
void streams_serve(void);

/* Datagrams. `index` is that of a reserved port. */
void datagrams_init(void);
void datagrams_receive(uint32_t index);
bool datagrams_wait(void);
void datagrams_serve(void);

#endif
