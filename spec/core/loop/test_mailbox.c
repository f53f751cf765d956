/* Mailboxes: bounded, ordered, never waiting, with slots that can be reserved for a reply. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/mailbox.h"
#include "loop/thread.h"

struct letter {
    struct mail mail; /* first */
    int sender, number;
};

struct reader {
    struct loop *loop;
    struct mailbox *box;
    int next[8]; /* by sender: the number that must come now */
    size_t count, wanted;
    uint64_t turn;
    size_t this_turn, most_a_turn;
};

static void read_letter(struct mail *mail, void *receiver)
{
    struct letter *letter = (struct letter *)mail;
    struct reader *reader = receiver;
    assert_int_equal(letter->number, reader->next[letter->sender]++);
    free(letter);
    reader->count++;
    if (!reader->loop)
        return;
    if (loop_turns(reader->loop) != reader->turn) {
        reader->turn = loop_turns(reader->loop);
        reader->this_turn = 0;
    }
    if (++reader->this_turn > reader->most_a_turn)
        reader->most_a_turn = reader->this_turn;
    if (reader->count == reader->wanted)
        loop_stop(reader->loop);
}

static struct mail *letter_new(int sender, int number)
{
    struct letter *letter = mem_zalloc(1, sizeof *letter);
    *letter = (struct letter){.mail.deliver = read_letter, .sender = sender, .number = number};
    return &letter->mail;
}

static void full_box_refuses_and_leaves_the_mail_to_the_sender(void **state)
{
    (void)state;
    struct reader reader = {0};
    reader.box = mailbox_new(3, &reader);
    for (int i = 0; i < 3; i++)
        assert_true(mailbox_post(reader.box, letter_new(0, i)));
    struct mail *late = letter_new(0, 3);
    assert_false(mailbox_post(reader.box, late));
    assert_int_equal(mailbox_depth(reader.box), 3);
    assert_int_equal(mailbox_receive(reader.box, 1, 0), 1);
    assert_true(mailbox_post(reader.box, late));
    assert_int_equal(mailbox_receive(reader.box, 100, -1), 3);
    assert_int_equal(mailbox_receive(reader.box, 100, 0), 0);
    assert_int_equal(mailbox_depth(reader.box), 0);
    mailbox_free(reader.box);
}

static void a_full_box_takes_what_somebody_waits_for(void **state)
{
    (void)state;
    struct reader reader = {0};
    reader.box = mailbox_new(2, &reader);
    assert_true(mailbox_post(reader.box, letter_new(0, 0)) && mailbox_reserve(reader.box, 1));
    mailbox_post_always(reader.box, letter_new(0, 1));
    struct mail *late = letter_new(0, 2);
    assert_false(mailbox_post(reader.box, late) || mailbox_reserve(reader.box, 1));
    assert_int_equal(mailbox_receive(reader.box, 1, 0), 1);
    assert_false(mailbox_post(reader.box, late));
    assert_int_equal(mailbox_receive(reader.box, 1, 0), 1);
    assert_true(mailbox_post(reader.box, late));
    assert_int_equal(mailbox_receive(reader.box, 9, 0), 1);
    mailbox_unreserve(reader.box, 1);
    mailbox_free(reader.box);
}

static void reserved_slot_is_kept_for_the_reply(void **state)
{
    (void)state;
    struct reader reader = {0};
    reader.box = mailbox_new(2, &reader);
    assert_false(mailbox_reserve(reader.box, 3));
    assert_true(mailbox_reserve(reader.box, 1));
    assert_true(mailbox_post(reader.box, letter_new(0, 0)));
    struct mail *reply = letter_new(0, 1);
    assert_false(mailbox_post(reader.box, reply));
    mailbox_post_reserved(reader.box, reply);
    assert_int_equal(mailbox_receive(reader.box, 10, 0), 2);
    assert_true(mailbox_reserve(reader.box, 2));
    mailbox_unreserve(reader.box, 2);
    assert_true(mailbox_reserve(reader.box, 2));
    mailbox_unreserve(reader.box, 2);
    mailbox_free(reader.box);
}

static void receive_ends_at_its_limit_or_when_woken(void **state)
{
    (void)state;
    struct reader reader = {0};
    reader.box = mailbox_new(2, &reader);
    int64_t start = clock_monotonic();
    assert_int_equal(mailbox_receive(reader.box, 10, 20 * NS_PER_MS), 0);
    assert_true(clock_monotonic() - start >= 19 * NS_PER_MS);
    mailbox_wake(reader.box);
    assert_int_equal(mailbox_receive(reader.box, 10, -1), 0);
    mailbox_free(reader.box);
}

enum { SENDERS = 4, LETTERS = 20000 };

struct sender {
    struct mailbox *box;
    int number;
};

static void send_all(void *arg)
{
    struct sender *sender = arg;
    for (int i = 0; i < LETTERS; i++) {
        struct mail *mail = letter_new(sender->number, i);
        while (!mailbox_post(sender->box, mail))
            sched_yield();
    }
}

static void send_from_many(struct reader *reader)
{
    struct sender senders[SENDERS];
    struct thread *threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){reader->box, i};
        threads[i] = thread_start("sender", send_all, &senders[i], NULL);
    }
    if (reader->loop)
        loop_run(reader->loop);
    while (!reader->loop && reader->count < reader->wanted)
        mailbox_receive(reader->box, 100, -1);
    for (int i = 0; i < SENDERS; i++)
        thread_join(threads[i]);
    for (int i = 0; i < SENDERS; i++)
        assert_int_equal(reader->next[i], LETTERS);
}

static void many_senders_keep_their_order(void **state)
{
    (void)state;
    struct reader reader = {.wanted = SENDERS * LETTERS};
    reader.box = mailbox_new(1000, &reader);
    send_from_many(&reader);
    mailbox_free(reader.box);
}

static void loop_delivers_a_bounded_number_each_turn(void **state)
{
    (void)state;
    struct reader reader = {.wanted = SENDERS * LETTERS, .loop = loop_new()};
    reader.box = mailbox_new(4096, &reader);
    mailbox_attach(reader.box, reader.loop);
    send_from_many(&reader);
    assert_true(reader.most_a_turn <= 256);
    mailbox_detach(reader.box);
    mailbox_free(reader.box);
    loop_free(reader.loop);
}

int main(void)
{
    loop_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_box_refuses_and_leaves_the_mail_to_the_sender),
        cmocka_unit_test(a_full_box_takes_what_somebody_waits_for),
        cmocka_unit_test(reserved_slot_is_kept_for_the_reply),
        cmocka_unit_test(receive_ends_at_its_limit_or_when_woken),
        cmocka_unit_test(many_senders_keep_their_order),
        cmocka_unit_test(loop_delivers_a_bounded_number_each_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
