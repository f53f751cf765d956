/* Watches the workers and the Lua calls they make. One thread; polls every 4 ms. A slot belongs to one worker
 * thread. An overdue call is named by its sequence number: the signal that arrives late finds another number
 * and does nothing. */
#ifndef LUNETTE_LOOP_WATCHDOG_H
#define LUNETTE_LOOP_WATCHDOG_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct watchdog;
struct watchdog_slot;

struct watchdog *watchdog_start(struct err *err);
void watchdog_stop(struct watchdog *dog); /* all slots must be gone */

/* Called by the worker itself. `loop` (may be NULL): reported after 1 s without a turn, process aborted after
 * `stuck_ns` (0: never). `overdue(arg)` runs in a signal handler on this thread, and again, ever more rarely,
 * while the call goes on: async-signal-safe work only, harmless when repeated.
 */
struct watchdog_slot *watchdog_slot_new(struct watchdog *dog, const char *name, struct loop *loop,
                                        int64_t stuck_ns, void (*overdue)(void *arg), void *arg);
void watchdog_slot_free(struct watchdog_slot *slot);

/* Around one call: budget in CPU time of this thread. Nothing is armed unless the budget is overrun. Calls do
 * not nest. Cheap: mostly no system call, so the thread's CPU time at a call's begin is known to 1 ms only.
 * Both sides of that are safe: a call is never overdue before its budget is used up, and at the latest 1 ms
 * of CPU time and one poll after. watchdog_leave returns the CPU time used (ns): never less, at most 1 ms
 * more. */
void watchdog_enter(struct watchdog_slot *slot, int64_t budget_ns);
int64_t watchdog_leave(struct watchdog_slot *slot);

#endif
