/* The only way from one thread to another: a bounded queue of messages, many senders, one receiver. Messages
 * are intrusive, so a post allocates nothing; a message owns its payload. A post never waits: it is refused
 * when the box is full, and the sender keeps the message. A reply travels on a slot that was reserved when
 * the request was posted, so it always finds room. */
#ifndef LUNETTE_LOOP_MAILBOX_H
#define LUNETTE_LOOP_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail,
                    void *receiver); /* on the receiver's thread; it owns the mail from here */
};

struct mailbox;
struct loop;

/* `capacity`: messages plus reservations, at most. `receiver` is passed to deliver. */
struct mailbox *mailbox_new(size_t capacity, void *receiver);
void mailbox_free(struct mailbox *box); /* must be empty; a mail left behind aborts */

/* Any thread. False when full (nothing happened). */
bool mailbox_post(struct mailbox *box, struct mail *mail);
/* Takes `count` slots for later; false when they are not there. */
bool mailbox_reserve(struct mailbox *box, size_t count);
void mailbox_unreserve(struct mailbox *box, size_t count);
/* Uses one reserved slot; always succeeds. */
void mailbox_post_reserved(struct mailbox *box, struct mail *mail);
/* Posts even into a full box: for senders that are few and stand still until they are answered, so that there
 * are never many more messages than the capacity. */
void mailbox_post_always(struct mailbox *box, struct mail *mail);
/* Wakes the receiver without a message (after stop flags were set). */
void mailbox_wake(struct mailbox *box);
size_t mailbox_depth(const struct mailbox *box); /* messages waiting, for metrics; any thread */

/* Receiver on a loop: delivers as mail comes, at most 256 a turn. */
void mailbox_attach(struct mailbox *box, struct loop *loop);
void mailbox_detach(struct mailbox *box);
/* Receiver without a loop: waits up to timeout_ns (negative: for ever, 0: not at all), then delivers up to
 * `max`; returns how many. 0 also after mailbox_wake or the timeout. */
size_t mailbox_receive(struct mailbox *box, size_t max, int64_t timeout_ns);

#endif
