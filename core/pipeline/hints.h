/* What an owner remembers of open threats: (rule, customer, dedup key), shadow and demo
 * apart -> anchor. A firing inside a
 * remembered dedup window will be a fold: its title is not asked for and the reply does not wait for its
 * commit. A hint may be stale; the book decides. Bounded: all are forgotten beyond the limit. One owner
 * thread. */
#ifndef LUNETTE_PIPELINE_HINTS_H
#define LUNETTE_PIPELINE_HINTS_H

#include "pipeline/book.h"

struct hints;
struct hints *hints_new(size_t limit);
void hints_free(struct hints *hints);
/* Will this firing fold? Needs rule_id, customer, dedup_key, dedup_window_ns, time_ns. NULL hints: false. */
bool hints_fold(const struct hints *hints, const struct firing *firing);
void hints_forget(struct hints *hints);
void hints_learn(struct hints *hints, const struct firing *firing, int64_t anchor_ns);

#endif
