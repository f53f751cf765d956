/* What the writer sends to a worker outside of batches: errands, and news of analysts' verdicts. */
#ifndef LUNETTE_PIPELINE_WORKER_ERRAND_H
#define LUNETTE_PIPELINE_WORKER_ERRAND_H

#include "pipeline/errand.h"
#include "pipeline/verdicts.h"

struct worker;

/* Any thread; false: its box is full. */
bool worker_post(struct worker *worker, struct mail *mail);
/* Deliver function of errand->mail. */
void worker_deliver_errand(struct mail *mail, void *receiver);

/* Verdict steps of one transaction, to be told to every worker. */
struct verdict_news;
struct verdict_news *verdict_news_new(void);
void verdict_news_free(struct verdict_news *news); /* NULL is fine */
void verdict_news_add(struct verdict_news *news, const struct verdict_step *steps, size_t count);
/* A message with a copy, for one worker. */
struct mail *verdict_news_mail(const struct verdict_news *news);
/* Frees a message of either kind that was never posted; an errand's slot is given back. */
void worker_drop_news(struct mail *mail);

#endif
