/* Tells when something below one of several folder trees changed: edits, renames, new folders, and the swap
 * of a
 * `..data` link as the kubelet does it. Calls back once, `quiet_ns` after the last change. On the loop's
 * thread. */
#ifndef LUNETTE_LOOP_WATCH_H
#define LUNETTE_LOOP_WATCH_H

#include "loop/loop.h"

struct watch_tree;
/* Roots that do not exist yet are picked up when they appear (their parent is watched). */
struct watch_tree *watch_tree_new(struct loop *loop, const char *const *roots, size_t count, int64_t quiet_ns,
                                  void (*changed)(void *arg), void *arg, struct err *err);
void watch_tree_free(struct watch_tree *tree);

#endif
