/*
 * What the two halves of the log share: log.c writes, log-read.c looks.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_LOG_INTERNAL_H
#define CHISEL_LOG_INTERNAL_H

#include "bytes.h"
#include "log.h"

#define LOG_MAGIC "CRVLOG1\n"
#define LOG_VERSION 1u
#define LOG_FIXED 24u            /* header bytes before the index */
#define LOG_ENTRY 24u            /* bytes of an index entry */
#define LOG_NAME 16u             /* room for a segment's file name */
#define LOG_MEMORY 262144u       /* bytes of the memory segment */

/* The memory segment; scratch while the log is on disk. Zero pages until used. */
extern uint8_t log_memory[LOG_MEMORY];

/* `name` becomes the file name of a segment. */
void log_name(char *name, uint32_t number);
/* Look at the directory once: number the next segment, or go on in the newest when it ends whole. */
void log_prepare(struct log *log);

#endif
