/*
 * `chisel unpack DIR [LOWER...]`: fills the empty directory DIR with what a
 * stream of operations on stdin says, and answers with one line on stdout.
 * The format is docs/layer-streams.md; src/layers/unpack-ops.ts writes it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_UNPACK_H
#define CHISEL_UNPACK_H

#include <stddef.h>
#include <stdint.h>

#define UNPACK_MAGIC 0x31555243u /* CRU1 */
#define UNPACK_VERSION 1u
#define UNPACK_SYNC 1u /* flag: syncfs after the answer, before the exit */
#define UNPACK_OP_HEADER 8u
#define UNPACK_OP_MAX (1280u * 1024u) /* bytes of one operation's payload */

enum unpack_kind {
  UNPACK_CD = 1,
  UNPACK_MKDIR = 2,
  UNPACK_FILE = 3,
  UNPACK_OPEN = 4,
  UNPACK_DATA = 5,
  UNPACK_CLOSE = 6,
  UNPACK_SYMLINK = 7,
  UNPACK_LINK = 8,
  UNPACK_NODE = 9,
  UNPACK_UNLINK = 10,
  UNPACK_RMDIR = 11,
  UNPACK_ATTRIBUTES = 12,
  UNPACK_INHERIT = 13,
  UNPACK_COPY = 14,
  UNPACK_END = 15,
  UNPACK_BELOW = 16,
};

int unpack_main(int argc, char **argv);

#endif
