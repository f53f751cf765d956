/* lunette test: the tests that rules and sources carry. */
#include <stdio.h>

#include "app/cli.h"
#include "app/cli_path.h"
#include "pipeline/testrun.h"

static void print_people(const struct test_results *results)
{
    for (size_t i = 0; i < results->results.count; i++) {
        const struct test_result *r = &results->results.items[i];
        if (r->outcome == TEST_PASSED) {
            printf("ok      %.*s: %.*s\n", STR_ARG(r->rule), STR_ARG(r->test));
            continue;
        }
        printf("FAILED  %.*s: %.*s\n        %.*s:%u: %s\n", STR_ARG(r->rule), STR_ARG(r->test),
               STR_ARG(r->path), r->line, r->message);
    }
    printf("%zu passed, %zu failed\n", results->passed, results->failed);
}

static void print_json(const struct test_results *results, const struct report *report)
{
    struct buf out = BUF_EMPTY;
    buf_putc(&out, '{');
    buf_json_kbool(&out, "ok", report->errors == 0 && results->failed == 0);
    buf_json_kuint(&out, "passed", results->passed);
    buf_json_kuint(&out, "failed", results->failed);
    buf_json_key(&out, "tests");
    buf_putc(&out, '[');
    for (size_t i = 0; i < results->results.count; i++) {
        const struct test_result *r = &results->results.items[i];
        buf_puts(&out, i ? ",{" : "{");
        buf_json_kstr(&out, "rule", r->rule);
        buf_json_kstr(&out, "test", r->test);
        buf_json_kstr(&out, "file", r->path);
        buf_json_kuint(&out, "line", r->line);
        buf_json_kbool(&out, "passed", r->outcome == TEST_PASSED);
        buf_json_kstr(&out, "message", str_from(r->message));
        buf_putc(&out, '}');
    }
    buf_putc(&out, ']');
    buf_json_key(&out, "problems");
    report_json(report, &out);
    buf_puts(&out, "}\n");
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
}

static void xml_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (strchr("<>&\"'", c) && c)
            buf_printf(out, "&#%u;", c);
        else
            buf_putc(out, c < 0x20 ? ' ' : (char)c);
    }
}

/* What is wrong with the rules before any test could run. */
static void xml_problems(struct buf *out, const struct report *report)
{
    for (size_t i = 0; i < report->problems.count; i++) {
        const struct problem *p = &report->problems.items[i];
        if (p->level != PROBLEM_ERROR)
            continue;
        buf_puts(out, "<testcase classname=\"rules\" name=\"");
        xml_text(out, str_from(p->where[0] ? p->where : "they load"));
        buf_puts(out, "\"><error message=\"");
        xml_text(out, str_from(p->message));
        buf_puts(out, "\"/></testcase>\n");
    }
}

static void print_junit(const struct test_results *results, const struct report *report)
{
    struct buf out = BUF_EMPTY;
    buf_printf(&out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"rules\" tests=\"%zu\" "
               "failures=\"%zu\" errors=\"%zu\">\n",
               results->results.count + report->errors, results->failed, report->errors);
    xml_problems(&out, report);
    for (size_t i = 0; i < results->results.count; i++) {
        const struct test_result *r = &results->results.items[i];
        buf_puts(&out, "<testcase classname=\"");
        xml_text(&out, r->rule);
        buf_puts(&out, "\" name=\"");
        xml_text(&out, r->test);
        if (r->outcome == TEST_PASSED) {
            buf_puts(&out, "\"/>\n");
            continue;
        }
        buf_puts(&out, "\"><failure message=\"");
        xml_text(&out, str_from(r->message));
        buf_puts(&out, "\"/></testcase>\n");
    }
    buf_puts(&out, "</testsuite>\n");
    fwrite(out.ptr, 1, out.len, stdout);
    buf_free(&out);
}

static void print_results(const struct cli *cli, const struct test_results *results,
                          const struct report *report)
{
    if (cli->json)
        print_json(results, report);
    else if (cli->junit)
        print_junit(results, report);
    else if (report->errors == 0)
        print_people(results);
}

/* Of a path only its own tests are asked for; what else had to be read has been tested where it stands. */
static void keep_of_path(const struct cli *cli, struct test_results *results)
{
    struct test_results all = *results;
    *results = (struct test_results){.out_of_time = all.out_of_time};
    for (size_t i = 0; i < all.results.count; i++)
        if (all.results.items[i].path.len == 0 || cli_path_has(cli, cli->args[0], all.results.items[i].path))
            test_results_add(results, &all.results.items[i]);
    test_results_free(&all);
}

int cli_test(struct cli *cli)
{
    struct report report = {0};
    struct test_results results = {0};
    int code;
    struct ruleset *set = cli_load_rules(cli, cli->arg_count ? cli->args[0] : NULL, &report, &code);
    cli_print_report(&report);
    if (set) {
        testrun(set, str_from(cli->only), 0, &results);
        if (cli->arg_count)
            keep_of_path(cli, &results);
        code = results.failed ? EXIT_EXPECTATION : EXIT_OK;
    }
    print_results(cli, &results, &report);
    if (set && results.results.count == 0 && cli->only[0]) {
        fprintf(stderr, "lunette test: no rule or source has the id \"%s\", or it has no tests\n", cli->only);
        code = EXIT_USAGE;
    }
    test_results_free(&results);
    report_free(&report);
    ruleset_unref(set);
    return code;
}
