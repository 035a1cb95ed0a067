/*
 * Deleting a tree that somebody else filled: any depth, no recursion, no path
 * but the tree's own, no link followed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHISEL_REMOVE_H
#define CHISEL_REMOVE_H

/* Removes the directory at `path` (a host path) with all in it. 0 or an errno; what is left can be tried again. */
int remove_tree(const char *path);

#endif
