/* Threads with a name and an identity that ownership asserts check. */
#ifndef LUNETTE_LOOP_THREAD_H
#define LUNETTE_LOOP_THREAD_H

#include <stdint.h>

#include "base/err.h"

struct thread;

/* Starts `main(arg)` with all signals blocked (but the watchdog's). `name` at most 15 bytes, copied. */
struct thread *thread_start(const char *name, void (*main)(void *arg), void *arg, struct err *err);
void thread_join(struct thread *thread); /* waits and frees */

/* An owner mark: bound to the first thread that enters (or by thread_own), then any other thread aborts,
 * always. */
struct owner {
    _Atomic uint64_t thread; /* 0: nobody yet */
};
void owner_bind(struct owner *owner); /* this thread owns it from now */
void owner_release(struct owner *owner);
void owner_check(struct owner *owner, const char *what);

#endif
