/*
 * Files of a container from outside. PID and TICKS name a process, BELOW a
 * directory in the root it sees (empty: that root), PATH a path in there.
 * `chisel copy stat|list PID TICKS BELOW PATH`: what is at PATH, or all of it,
 * in the words of `chisel walk`. `copy resolve …`: where PATH leads, as text.
 * `copy in … FLAGS`: the operations of `chisel unpack` in the directory PATH.
 * `chisel hold PID TICKS`: keeps a mount namespace until that process is gone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_COPY_H
#define CHISEL_COPY_H

/* Letters of FLAGS. */
#define COPY_KEEP_KINDS 'k' /* a directory never replaces another kind, nor the reverse */

/* Opens the root that PID, TICKS and BELOW say; a descriptor or -errno (-ESRCH: the process is gone). */
int copy_root(char *const *arguments);

/* unpack.c: `arguments` are PID TICKS BELOW PATH FLAGS. The exit status. */
int unpack_into(char **arguments);

int copy_main(int argc, char **argv);
int hold_main(int argc, char **argv);

#endif
