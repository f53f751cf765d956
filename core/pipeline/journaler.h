/* The journal thread: appends and syncs, nothing else. No fixed wait: each sync covers what came during the
 * last. */
#ifndef LUNETTE_PIPELINE_JOURNALER_H
#define LUNETTE_PIPELINE_JOURNALER_H

#include "base/clock.h"
#include "data/journal.h"
#include "loop/mailbox.h"

struct journaler;

/* One frame's way to the disk and back. */
struct journal_mail {
    struct mail mail;
    struct journal_frame frame; /* bytes borrowed until it is back; batch is set by the journal */
    struct err err;             /* ERR_NONE: it is durable */
    struct mailbox *reply_to;   /* a slot there is reserved */
    void (*back)(struct mail *mail, void *receiver);
};

struct journaler_options {
    const char *dir; /* NULL: nothing is kept; frames are only numbered */
    struct journal_options journal;
    uint64_t first; /* lowest number that may be given */
    const struct clock *clock;
    /* What must stay, asked before retention on the journal thread: batches from *from_batch on, and whatever
     * was accepted after *after_ns. */
    void (*keep)(void *context, uint64_t *from_batch, int64_t *after_ns);
    void *context;
};
struct journaler *journaler_new(const struct journaler_options *options, struct err *err);
int journaler_start(struct journaler *journaler, struct err *err);
void journaler_stop(struct journaler *journaler);
void journaler_free(struct journaler *journaler);
struct mailbox *journaler_mailbox(struct journaler *journaler);
void journaler_deliver(struct mail *mail, void *receiver); /* for journal_mail.mail */
uint64_t journaler_last(const struct journaler *journaler);
bool journaler_full(const struct journaler *journaler);  /* the last append failed */
bool journaler_short(const struct journaler *journaler); /* retention could not keep to its size */

#endif
