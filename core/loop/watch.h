/* Tells when something below one of several folder trees changed: edits, renames, new folders, and the swap
 * of a
 * `..data` link as the kubelet does it. Links to folders are followed, each folder once; `.git` is left out.
 * Calls back once, `quiet_ns` after the last change, and at the latest 20 times that after the first. On the
 * loop's thread. */
#ifndef LUNETTE_LOOP_WATCH_H
#define LUNETTE_LOOP_WATCH_H

#include "loop/loop.h"

struct watch_tree;
/* Roots that do not exist yet are picked up when they appear (their parent is watched). NULL where the system
 * cannot watch files at all. The roots are copied; `changed` may free the tree. */
struct watch_tree *watch_tree_new(struct loop *loop, const char *const *roots, size_t count, int64_t quiet_ns,
                                  void (*changed)(void *arg), void *arg, struct err *err);
void watch_tree_free(struct watch_tree *tree);

#endif
