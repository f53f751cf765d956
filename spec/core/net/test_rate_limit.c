/* Token buckets: the rate, the burst, and which bucket goes when there are too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/rate_limit.h"

static void burst_then_rate(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(10, 3, 8);
    int64_t now = NS_PER_S;
    for (int i = 0; i < 3; i++)
        assert_int_equal(rate_limit_take(limit, STR("a"), 1, now), 0);
    int64_t wait = rate_limit_take(limit, STR("a"), 1, now);
    assert_int_equal(wait, 100 * NS_PER_MS);
    assert_true(rate_limit_take(limit, STR("a"), 1, now + wait - 1) > 0);
    assert_int_equal(rate_limit_take(limit, STR("a"), 1, now + wait), 0);
    for (int i = 0; i < 3; i++) /* a long rest fills the bucket, and no more */
        assert_int_equal(rate_limit_take(limit, STR("a"), 1, now + 3600 * NS_PER_S), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, now + 3600 * NS_PER_S) > 0);
    rate_limit_free(limit);
}

static void clients_do_not_share(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(1, 1, 8);
    assert_int_equal(rate_limit_take(limit, STR("a"), 1, 0), 0);
    assert_int_equal(rate_limit_take(limit, STR("b"), 1, 0), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, 0) > 0);
    rate_limit_free(limit);
}

static void large_cost_is_let_through_once_and_paid_back(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(10, 5, 8);
    assert_int_equal(rate_limit_take(limit, STR("a"), 50, 0), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, NS_PER_S) > 3 * NS_PER_S);
    assert_int_equal(rate_limit_take(limit, STR("a"), 50, 5 * NS_PER_S), 0);
    rate_limit_free(limit);
}

static void clock_that_goes_back_gives_nothing(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(1, 1, 8);
    assert_int_equal(rate_limit_take(limit, STR("a"), 1, 10 * NS_PER_S), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, 5 * NS_PER_S) > 0);
    rate_limit_free(limit);
}

static void least_recently_used_bucket_goes_first(void **state)
{
    (void)state;
    struct rate_limit *limit = rate_limit_new(0.001, 1, 3);
    assert_int_equal(rate_limit_take(limit, STR("a"), 1, 0), 0);
    assert_int_equal(rate_limit_take(limit, STR("b"), 1, 0), 0);
    assert_int_equal(rate_limit_take(limit, STR("c"), 1, 0), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, 1) > 0); /* used: b is the oldest now */
    assert_int_equal(rate_limit_take(limit, STR("d"), 1, 2), 0);
    assert_true(rate_limit_take(limit, STR("a"), 1, 3) > 0);
    assert_true(rate_limit_take(limit, STR("c"), 1, 3) > 0);
    assert_int_equal(rate_limit_take(limit, STR("b"), 1, 3), 0); /* forgotten, so it starts anew */
    for (int i = 0; i < 10000; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "client %d", i);
        assert_int_equal(rate_limit_take(limit, (struct str){key, (size_t)len}, 1, 4), 0);
    }
    rate_limit_free(limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_rate),
        cmocka_unit_test(clients_do_not_share),
        cmocka_unit_test(large_cost_is_let_through_once_and_paid_back),
        cmocka_unit_test(clock_that_goes_back_gives_nothing),
        cmocka_unit_test(least_recently_used_bucket_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
