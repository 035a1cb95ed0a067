/*
 * `chisel walk list|usage COUNT DIR... [BELOW...]`: tells what the COUNT
 * directories, seen as one overlay, hold, and whether the layers BELOW have the
 * same names; then sends the files that stdin asks for. The format is
 * docs/layer-streams.md; src/layers/walk.ts reads it. `chisel walk remove DIR`
 * deletes a tree.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_WALK_H
#define CHISEL_WALK_H

#include <stdbool.h>

enum walk_kind { WALK_ENTRY = 1, WALK_DATA = 2, WALK_END = 3, WALK_FAILED = 4 };

int walk_main(int argc, char **argv);

/*
 * The same of `name` in the open directory `dir`, of which a process sees it:
 * "." is `dir` itself, and with `is_whole` all below it; then content, when it
 * `is_whole`. The exit status.
 */
int walk_live(int dir, const char *name, bool is_whole);
/* The answer when there is nothing to look at. */
int walk_failed(const char *call, int error);

#endif
