/* The writer thread: alone decides what a firing is (the book), alone writes the store. Gathers what came,
 * commits it at once when something new waits for it, folds and ledger once a second; then publishes the
 * changes in order and sends the answers. Everything else here may be called from any thread. */
#ifndef LUNETTE_PIPELINE_WRITER_H
#define LUNETTE_PIPELINE_WRITER_H

#include "data/store.h"
#include "loop/mailbox.h"
#include "pipeline/tally.h"

struct writer;
struct followup;
struct ai_settings;

/* A committed change of a threat, told in seq order on the writer thread. Borrowed during the call. */
struct change {
    uint64_t seq;
    bool is_new;
    const struct threat *threat;
};

struct writer_options {
    struct store *store; /* borrowed; only the writer touches it from here */
    const struct clock *clock;
    int64_t retain_threats_ns; /* resolved ones */
    bool follows_up;           /* triage again, analyses, timers (followup.h) */
    const struct ai_settings *ai;
    void (*published)(const struct change *change, void *context);
    void *context;
};

/* Reads the stored ledger and position. */
struct writer *writer_new(const struct writer_options *options, struct err *err);
int writer_start(struct writer *writer, struct err *err);
void writer_close(struct writer *writer); /* any thread: no more tasks */
/* Commits everything, ends the thread. Nothing may be posted any more. What cannot be committed goes back as
 * lost. */
void writer_stop(struct writer *writer);
void writer_free(struct writer *writer);

struct mailbox *writer_mailbox(struct writer *writer);
struct tally *writer_tally(struct writer *writer); /* which batches are judged, and the ledger */
uint64_t
writer_durable(const struct writer *writer);      /* all batches up to this one are judged and committed */
bool writer_failing(const struct writer *writer); /* the last commit failed; it is tried again */
/* Delivers a part's verdict (deliver function of part->mail on its second leg). */
void writer_deliver_part(struct mail *mail, void *receiver);

/* A piece of work inside a commit: PATCH, notes, audit, reset. */
struct writer_task {
    struct mail mail;
    /* On the writer, in a transaction. 0, or -1 with err: what is wrong with the request is found before
     * anything is written; where the store fails, nothing of the transaction is kept. */
    int (*run)(struct writer_task *task, struct writer *writer, struct err *err);
    /* After the commit, or the failure: on the writer thread; posts itself to where it came from. */
    void (*done)(struct writer_task *task);
    struct err err;  /* code ERR_NONE when it was committed */
    bool clean_book; /* everything else is committed first, so that the book holds no change when it runs */
};
bool writer_ask(struct writer *writer, struct writer_task *task); /* false: busy */
/* On a slot of writer_mailbox that the sender holds. */
void writer_ask_reserved(struct writer *writer, struct writer_task *task);

/* For tasks, on the writer thread, within run. */
struct store *writer_store(struct writer *writer);
struct book *writer_book(struct writer *writer);
struct followup *writer_followup(struct writer *writer); /* NULL: it does not follow up */
/* Forgets the families in memory (the book must be clean), and voids the hints. */
void writer_forget(struct writer *writer);
/* What the workers remember of open threats is wrong from here on: one was resolved, or forgotten. */
void writer_void_hints(struct writer *writer);
unsigned writer_hints_voided(const struct writer *writer); /* any thread: how often */
const struct clock *writer_clock(const struct writer *writer);

#endif
