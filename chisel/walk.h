/*
 * `chisel walk list|usage COUNT DIR... [BELOW...]`: tells what the COUNT
 * directories, seen as one overlay, hold, and whether the layers BELOW have the
 * same names; then sends the files that stdin asks for. The format is
 * docs/layer-streams.md; src/layers/walk.ts reads it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_WALK_H
#define CHISEL_WALK_H

enum walk_kind { WALK_ENTRY = 1, WALK_DATA = 2, WALK_END = 3, WALK_FAILED = 4 };

int walk_main(int argc, char **argv);

#endif
