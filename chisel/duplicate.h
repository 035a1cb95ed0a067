/*
 * `chisel duplicate PID TICKS BELOW PATH DEST`: the directory PATH of a root
 * (copy.h says which), with all below it, once more in DEST, an empty directory
 * that nobody else can reach. Blocks are shared where the file system can;
 * holes stay holes, hard links stay hard links; other mounts are empty
 * directories. `chisel merge FROM TO`: what is in FROM moves to TO, what TO has
 * stays, and FROM is gone; it can be done again after it was cut off.
 * `chisel quota DIR ID BYTES`: a bound for all that will be in DIR.
 * Answers: `ok COUNT`, or `failed 0 ERRNO CALL PATH`, on one line.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_DUPLICATE_H
#define CHISEL_DUPLICATE_H

#include <stdint.h>

int duplicate_main(int argc, char **argv);
int merge_main(int argc, char **argv);
int quota_main(int argc, char **argv);

/* All bytes of the open file `from`, with its holes, into the new file `to`. 0 or an errno; `call` then names the failing call. */
int duplicate_content(int from, int to, const char **call);

/* The one line of the answer; the exit status. */
int duplicate_answer(uint64_t count, int error, const char *call, const char *path);

#endif
