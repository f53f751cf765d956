/* What the triage of a threat costs (CPU time) with all shipped policies, lists and indicators: one that
 * begins (one event of evidence, as on the detection path), and one that has grown (twenty, a second look).
 * Prints one JSON line for each: bench_triage [--runs 20000 [--begins]], where the last leaves out the
 * second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/loop.h"
#include "loop/watchdog.h"
#include "lua/runtime.h"
#include "pipeline/triage.h"
#include "rules/loader.h"

static struct ruleset *shipped(void)
{
    struct report report = {0};
    struct err err = {0};
    struct tree *tree = tree_read(LUNETTE_SOURCE_DIR "/rules", LUNETTE_SOURCE_DIR "/plugins", &err);
    struct ruleset *set = tree ? ruleset_load(tree, NULL, 0, &report) : NULL;
    for (size_t i = 0; set == NULL && i < report.problems.count; i++)
        fprintf(stderr, "%s: %s\n", report.problems.items[i].where, report.problems.items[i].message);
    report_free(&report);
    tree_free(tree);
    if (set)
        return set;
    fprintf(stderr, "bench_triage: the shipped rules do not load. %s\n", err_text(&err));
    exit(1);
}

static void add_evidence(struct threat *threat, uint32_t number)
{
    struct evidence evidence = {.number = number, .time_ns = threat->created_ns + number * NS_PER_S};
    struct buf context = BUF_EMPTY;
    buf_printf(
        &context,
        "{\"event.action\":\"logon-failed\",\"user.name\":\"ana\",\"host.name\":\"dc01\",\"source.ip\":"
        "\"198.51.100.%u\",\"url.full\":\"https://login.example.test/oauth?n=%u\",\"user_agent.original\":"
        "\"Mozilla/5.0 (X11; Linux x86_64)\",\"message\":\"the password is wrong, try %u\"}",
        number % 250, number, number);
    evidence.context = threat_keep(threat, buf_str(&context));
    vec_push(&threat->evidence, evidence);
    buf_free(&context);
}

static struct threat *made(uint32_t evidence)
{
    struct threat *threat = threat_new();
    threat->version = 1;
    threat->created_ns = threat->first_seen_ns = threat->last_seen_ns = clock_now(&clock_real);
    threat->rule_id = STR("identity.brute_force");
    threat->rule_title = threat->title = STR("Many failed logons, then one that worked");
    threat->customer = STR("default");
    threat->type = STR("device_compromise");
    threat->severity = threat->floor = SEVERITY_HIGH;
    threat->event_count = evidence;
    vec_push(&threat->mitre, STR("T1110"));
    vec_push(&threat->entities, STR("user.name:ana"));
    vec_push(&threat->entities, STR("host.name:dc01"));
    vec_push(&threat->entities, STR("source.ip:198.51.100.1"));
    for (uint32_t i = 1; i <= evidence; i++)
        add_evidence(threat, i);
    threat->evidence_next = evidence + 1;
    return threat;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void measure(struct triage *triage, const char *name, uint32_t evidence, size_t runs)
{
    int64_t *took = mem_alloc(runs * sizeof(*took)), sum = 0;
    struct threat *threat = made(evidence);
    struct triage_result result;
    for (size_t i = 0; i < runs; i++) {
        struct arena *arena = arena_new(4096);
        int64_t began = clock_thread_cpu();
        triage_run(triage, threat, STR(""), arena, &result);
        sum += took[i] = clock_thread_cpu() - began;
        if (result.review.len && i == 0)
            fprintf(stderr, "bench_triage: %.*s\n", STR_ARG(result.review));
        arena_free(arena);
        if (i % 64 == 63)
            triage_idle(triage);
    }
    qsort(took, runs, sizeof(*took), by_size);
    printf("{\"threat\":\"%s\",\"mean_us\":%.2f,\"median_us\":%.2f,\"p99_us\":%.2f}\n", name,
           (double)sum / (double)runs / 1000, (double)took[runs / 2] / 1000,
           (double)took[runs * 99 / 100] / 1000);
    threat_free(threat);
    free(took);
}

int main(int argc, char **argv)
{
    size_t runs = argc >= 3 && strcmp(argv[1], "--runs") == 0 ? strtoul(argv[2], NULL, 10) : 20000;
    bool begins = argc == 4 && strcmp(argv[3], "--begins") == 0;
    struct err err = {0};
    struct ruleset *set = shipped();
    struct loop *loop = loop_new();
    struct watchdog *dog = watchdog_start(&err);
    struct watchdog_slot *slot = watchdog_slot_new(dog, "bench", loop, 60 * NS_PER_S, lua_runtime_overdue,
                                                   NULL);
    struct triage_options options = {.set = set, .clock = &clock_real, .watchdog = slot};
    struct triage *triage = triage_new(&options, &err);
    if (triage == NULL || runs == 0) {
        fprintf(stderr, "bench_triage: %s\n", err_text(&err));
        return 1;
    }
    measure(triage, "a threat that begins", 1, runs);
    if (!begins)
        measure(triage, "a threat of twenty events", 20, runs / 4 + 1);
    triage_free(triage);
    watchdog_slot_free(slot);
    watchdog_stop(dog);
    loop_free(loop);
    ruleset_unref(set);
    return 0;
}
