/* One event loop per thread, over libevent. Everything here is called on the loop's own thread, but loop_stop
 * and loop_new. Only loop/ and net/ see libevent; others hold these opaque handles. */
#ifndef LUNETTE_LOOP_LOOP_H
#define LUNETTE_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct event_base;

void loop_init(void); /* once per process, before any thread: thread support of libevent */
struct loop *loop_new(void);
void loop_free(struct loop *loop);
int loop_run(struct loop *loop);                 /* until loop_stop; 0, or -1 where the backend failed */
void loop_stop(struct loop *loop);               /* any thread */
struct event_base *loop_base(struct loop *loop); /* for net/ */
uint64_t loop_turns(const struct loop *loop);    /* any thread: counts turns, for the watchdog */

struct timer;
/* Calls back once after `delay_ns`, never earlier (repeat: each delay_ns). timer_free cancels; NULL is fine.
 */
struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg);
void timer_start(struct timer *timer, int64_t delay_ns, bool repeat);
void timer_stop(struct timer *timer);
void timer_free(struct timer *timer);

struct watch_fd;
struct watch_fd *loop_watch_fd(struct loop *loop, int fd, void (*readable)(int fd, void *arg), void *arg);
void loop_unwatch_fd(struct watch_fd *watch); /* does not close */

/* SIGTERM, SIGINT, SIGHUP on this loop (one loop a process). */
struct signal_watch;
struct signal_watch *loop_on_signal(struct loop *loop, int signum, void (*arrived)(int signum, void *arg),
                                    void *arg);
void signal_watch_free(struct signal_watch *watch);

#endif
