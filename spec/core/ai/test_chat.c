/* Stories of chat completions: each way in which a model's server can answer, or not, and where the key goes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "ai/chat.h"
#include "ai/key_file.h"
#include "ai/scripted.h"
#include "base/json.h"
#include "core/net/raw_peer.h"

#define KEY "sk-secret-0123456789"

struct step { /* how the server answers one request; the last one goes on */
    const char *status, *headers, *body;
    enum { ANSWER, SILENCE, DROP } how;
};

struct world {
    struct peer peer;
    const struct step *steps;
    size_t step_count;
    pthread_mutex_t mutex;
    char head[4096], body[65536]; /* of the last request */
    char folder[64], key_path[96];
    struct loop *loop;
    struct http_fetch *fetch;
    unsigned wanted, done;
    struct ai_reply reply; /* with its own copies */
    char content[1024], model[64], error[256];
};

#define GOOD                                                                                                 \
    "{\"model\":\"served-model\",\"choices\":[{\"message\":{\"content\":\"{\\\"a\\\":1}\"},"                 \
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7}}"

static bool answer(const struct peer_request *request, void *arg)
{
    struct world *world = arg;
    pthread_mutex_lock(&world->mutex);
    snprintf(world->head, sizeof world->head, "%.*s", STR_ARG(request->head));
    snprintf(world->body, sizeof world->body, "%.*s", STR_ARG(request->body));
    size_t index = request->number - 1;
    struct step step = world->steps[index < world->step_count ? index : world->step_count - 1];
    pthread_mutex_unlock(&world->mutex);
    if (step.how == DROP)
        peer_send(request->fd, STR("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"));
    if (step.how == ANSWER)
        peer_reply(request->fd, step.status ? step.status : "200 OK", step.headers ? step.headers : "",
                   str_from(step.body ? step.body : GOOD));
    return step.how != DROP;
}

static void done(const struct ai_reply *reply, void *arg)
{
    struct world *world = arg;
    world->reply = *reply;
    snprintf(world->content, sizeof world->content, "%.*s", STR_ARG(reply->content));
    snprintf(world->model, sizeof world->model, "%.*s", STR_ARG(reply->model));
    snprintf(world->error, sizeof world->error, "%s", reply->error);
    assert_null(strstr(world->error, KEY));
    if (++world->done >= world->wanted)
        loop_stop(world->loop);
}

static void give_up(void *arg)
{
    (void)arg;
    fail_msg("no reply came");
}

static void run(struct world *world)
{
    struct timer *patience = timer_new(world->loop, give_up, NULL);
    timer_start(patience, 60 * NS_PER_S, false);
    loop_run(world->loop);
    timer_free(patience);
}

static const struct ai_prompt prompt = {.system = STR("You are an analyst."),
                                        .user = STR("E1 user.name = \"an\\\"a\"\nsecond line"),
                                        .schema_name = STR("finding"),
                                        .schema = STR("{\"type\":\"object\"}"),
                                        .max_tokens = 321,
                                        .timeout_ns = 20 * NS_PER_S};

/* Asks once. `options` needs no URL and model; its backoff is a millisecond. */
static const struct ai_reply *ask(struct world *world, struct chat_options options,
                                  const struct ai_prompt *what, const struct step *steps, size_t count)
{
    char url[64];
    struct err err = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1/", world->peer.port);
    options.url = options.url ? options.url : url;
    options.model = "asked-model";
    options.backoff_ns = options.backoff_ns ? options.backoff_ns : NS_PER_MS;
    options.key_file = world->key_path;
    world->steps = steps;
    world->step_count = count;
    world->done = 0, world->wanted = 1;
    atomic_store(&world->peer.requests, 0);
    world->loop = loop_new();
    world->fetch = http_fetch_new(world->loop, NULL);
    struct provider *provider = chat_new(world->fetch, world->loop, &options, &err);
    if (!provider)
        fail_msg("%s", err_text(&err));
    assert_string_equal(provider->name(provider), "chat");
    assert_string_equal(provider->model(provider), "asked-model");
    provider_ask(provider, what, done, world);
    assert_int_equal(world->done, 0); /* never from inside ask */
    run(world);
    provider_free(provider);
    http_fetch_free(world->fetch);
    loop_free(world->loop);
    assert_int_equal(world->done, 1);
    return &world->reply;
}

static void write_key(const struct world *world, const char *text, mode_t mode)
{
    FILE *file = fopen(world->key_path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(world->key_path, mode), 0);
}

#define ASK(world, ...)                                                                                      \
    ask(world, (struct chat_options){0}, &prompt, (const struct step[]){__VA_ARGS__},                        \
        sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void a_good_answer_comes_with_its_tokens(void **state)
{
    struct world *world = *state;
    const struct ai_reply *reply = ASK(world, {0});
    assert_int_equal(reply->status, AI_ANSWERED);
    assert_string_equal(world->content, "{\"a\":1}");
    assert_string_equal(world->model, "served-model");
    assert_int_equal(reply->prompt_tokens, 11);
    assert_int_equal(reply->completion_tokens, 7);
    assert_false(reply->estimated);
    assert_int_equal(reply->attempts, 1);
    assert_int_equal(reply->http_status, 200);
}

static void the_request_is_what_the_protocol_wants(void **state)
{
    struct world *world = *state;
    ASK(world, {0});
    assert_non_null(strstr(world->head, "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(world->head, "Authorization: Bearer " KEY "\r\n"));
    assert_null(strstr(world->body, KEY));
    struct json *body = json_parse(str_from(world->body), NULL, NULL);
    const struct json *format = json_get(body, "response_format"), *messages = json_get(body, "messages");
    const struct json *schema = json_get(format, "json_schema");
    struct str text;
    int64_t number = -1;
    bool strict = false;
    assert_true(json_get_str(body, "model", &text) && str_is(text, "asked-model"));
    assert_true(json_get_int(body, "temperature", &number) && number == 0);
    assert_true(json_get_int(body, "max_tokens", &number) && number == 321);
    assert_true(json_get_str(json_item(messages, 0), "role", &text) && str_is(text, "system"));
    assert_true(json_get_str(json_item(messages, 1), "content", &text) && str_equal(text, prompt.user));
    assert_true(json_get_str(format, "type", &text) && str_is(text, "json_schema"));
    assert_true(json_get_bool(schema, "strict", &strict) && strict);
    assert_true(json_get_str(schema, "name", &text) && str_is(text, "finding"));
    assert_true(json_get_str(json_get(schema, "schema"), "type", &text) && str_is(text, "object"));
    json_free(body);
}

static void a_full_url_is_taken_as_it_is(void **state)
{
    struct world *world = *state;
    char url[96];
    static const struct step good = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%d/x/chat/completions", world->peer.port);
    ask(world, (struct chat_options){.url = url}, &prompt, &good, 1);
    assert_non_null(strstr(world->head, "POST /x/chat/completions HTTP/1.1\r\n"));
}

static void every_bad_answer_has_its_status_and_is_not_asked_again(void **state)
{
#define CHOICE(inner) "{\"choices\":[{" inner "}]}"
    static const struct {
        struct step step;
        enum ai_status status;
    } cases[] = {
        {{.body = CHOICE("\"message\":{\"content\":null,\"refusal\":\"no\"}")}, AI_REFUSED},
        {{.body = CHOICE("\"message\":{\"content\":\"{}\"},\"finish_reason\":\"content_filter\"")},
         AI_REFUSED},
        {{.body = CHOICE("\"message\":{\"content\":\"{\\\"a\\\":\"},\"finish_reason\":\"length\"")},
         AI_TRUNCATED},
        {{.body = CHOICE("\"message\":{\"content\":\"Sure! {}\"}")}, AI_MALFORMED},
        {{.body = CHOICE("\"message\":{\"content\":\"[1]\"}")}, AI_MALFORMED},
        {{.body = CHOICE("\"message\":{\"content\":\"{\\\"a\\\":1,\\\"a\\\":2}\"}")}, AI_MALFORMED},
        {{.body = CHOICE("\"message\":{\"content\":null}")}, AI_MALFORMED},
        {{.body = CHOICE("\"message\":7")}, AI_MALFORMED},
        {{.body = "{\"choices\":[]}"}, AI_MALFORMED},
        {{.body = "{\"choices\":{\"0\":1}}"}, AI_MALFORMED},
        {{.body = "<html>"}, AI_MALFORMED},
        {{.body = ""}, AI_MALFORMED},
        {{.status = "401 Unauthorized"}, AI_FAILED},
        {{.status = "400 Bad Request"}, AI_FAILED},
        {{.status = "302 Found", .headers = "Location: /\r\n"}, AI_FAILED},
        {{.status = "204 No Content", .body = ""}, AI_FAILED},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ai_reply *reply = ask(world, (struct chat_options){0}, &prompt, &cases[i].step, 1);
        if (reply->status != cases[i].status)
            fail_msg("case %zu: %s", i, ai_status_name(reply->status));
        assert_int_equal(reply->attempts, 1);
        assert_string_equal(world->content, "");
        assert_true(world->error[0]);
    }
}

static void an_answer_above_the_limit_is_malformed(void **state)
{
    static const struct step good = {0};
    assert_int_equal(
        ask(*state, (struct chat_options){.max_response = sizeof GOOD - 2}, &prompt, &good, 1)->status,
        AI_MALFORMED);
    assert_int_equal(
        ask(*state, (struct chat_options){.max_response = sizeof GOOD - 1}, &prompt, &good, 1)->status,
        AI_ANSWERED);
}

static void tokens_that_nobody_counted_are_estimated(void **state)
{
    const struct ai_reply *reply = ASK(
        *state, {.body = CHOICE("\"message\":{\"content\":\"{\\\"abcd\\\":12345}\"}")});
    assert_true(reply->estimated);
    assert_int_equal(reply->prompt_tokens, (prompt.system.len + prompt.user.len + prompt.schema.len) / 4);
    assert_int_equal(reply->completion_tokens, sizeof "{\"abcd\":12345}" / 4);
    assert_string_equal(((struct world *)*state)->model, "asked-model");
}

static void passing_failures_are_tried_again(void **state)
{
    static const struct step bad[] = {{.status = "500 No"},
                                      {.status = "503 No"},
                                      {.status = "429 No"},
                                      {.status = "408 No"},
                                      {.how = DROP}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct ai_reply *reply = ASK(*state, bad[i], bad[i], {0});
        assert_int_equal(reply->status, AI_ANSWERED);
        assert_int_equal(reply->attempts, 3);
    }
}

static void attempts_have_an_end(void **state)
{
    const struct ai_reply *reply = ASK(*state, {.status = "500 No"});
    assert_int_equal(reply->status, AI_FAILED);
    assert_int_equal(reply->attempts, 3);
    assert_int_equal(reply->http_status, 500);
    assert_true(ai_status_is_outage(reply->status));
    reply = ASK(*state, {.status = "429 No"});
    assert_int_equal(reply->status, AI_RATE_LIMITED);
    assert_int_equal(reply->attempts, 3);
}

static void retry_after_is_waited_for(void **state)
{
    const struct ai_reply *reply = ASK(*state, {.status = "429 No", .headers = "Retry-After: 1\r\n"}, {0});
    assert_int_equal(reply->status, AI_ANSWERED);
    assert_int_equal(reply->attempts, 2);
    assert_true(reply->took_ns >= NS_PER_S);
    assert_int_equal(reply->retry_after_ns, 0);
}

static void a_retry_after_beyond_the_timeout_ends_it_and_is_told(void **state)
{
    static const struct step steps[] = {{.status = "429 No", .headers = "Retry-After: 3600\r\n"}};
    const struct ai_reply *reply = ask(*state, (struct chat_options){.retry_after_max_ns = 30 * NS_PER_S},
                                       &prompt, steps, 1);
    assert_int_equal(reply->status, AI_RATE_LIMITED);
    assert_int_equal(reply->attempts, 1);
    assert_int_equal(reply->retry_after_ns, 30 * NS_PER_S); /* capped */
}

static void retry_after_comes_as_seconds_or_as_a_date(void **state)
{
    (void)state;
    int64_t now_ns = INT64_C(1767323045) * NS_PER_S; /* 2026-01-02T03:04:05Z */
    assert_int_equal(chat_retry_after(STR("0"), now_ns), 0);
    assert_int_equal(chat_retry_after(STR("7"), now_ns), 7 * NS_PER_S);
    assert_true(chat_retry_after(STR("99999999999999999999"), now_ns) > 0);
    assert_int_equal(chat_retry_after(STR("Fri, 02 Jan 2026 03:04:15 GMT"), now_ns), 10 * NS_PER_S);
    assert_true(chat_retry_after(STR("Fri, 31 Dec 9999 23:59:59 GMT"), now_ns) > 0);
    assert_int_equal(chat_retry_after(STR("Fri, 02 Jan 2026 03:04:00 GMT"), now_ns), 0);
    assert_int_equal(chat_retry_after(STR("soon"), now_ns), -1);
    assert_int_equal(chat_retry_after(STR(""), now_ns), -1);
    assert_int_equal(chat_retry_after(STR("-1"), now_ns), -1);
    assert_int_equal(chat_retry_after(STR("1.5"), now_ns), -1);
    assert_int_equal(chat_retry_after(STR("Fri, 02 Jan 2026 03:04:15 GMT and more than that"), now_ns), -1);
}

static void the_timeout_is_over_all(void **state)
{
    struct ai_prompt hasty = prompt;
    static const struct step silence = {.how = SILENCE};
    hasty.timeout_ns = 150 * NS_PER_MS;
    /* An attempt ends up to a millisecond early: a pause that short would leave room for one more. */
    const struct ai_reply *reply = ask(*state, (struct chat_options){.backoff_ns = NS_PER_S}, &hasty,
                                       &silence, 1);
    assert_int_equal(reply->status, AI_TIMED_OUT);
    assert_int_equal(reply->attempts, 1);
    assert_true(reply->prompt_tokens > 0 && reply->estimated); /* it may have been counted over there */
}

static void an_attempt_may_have_a_timeout_of_its_own(void **state)
{
    static const struct step steps[] = {{.how = SILENCE}, {0}};
    const struct ai_reply *reply = ask(*state, (struct chat_options){.attempt_timeout_ns = 2 * NS_PER_S},
                                       &prompt, steps, 2);
    assert_int_equal(reply->status, AI_ANSWERED);
    assert_int_equal(reply->attempts, 2);
}

/* ---- the key ---- */

static void a_new_key_counts_with_the_next_request(void **state)
{
    struct world *world = *state;
    write_key(world, "  other-key\r\n\n", 0600);
    ASK(world, {0});
    assert_non_null(strstr(world->head, "Authorization: Bearer other-key\r\n"));
}

static void a_key_that_cannot_be_used_is_refused_and_never_told(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        enum err_code code;
    } cases[] = {{KEY, 0644, ERR_DENIED},        {KEY, 0602, ERR_DENIED},
                 {KEY, 0620, ERR_DENIED},        {"", 0600, ERR_INVALID},
                 {" \n", 0600, ERR_INVALID},     {KEY "\nsecond", 0600, ERR_INVALID},
                 {KEY "\x01", 0600, ERR_INVALID}};
    struct world *world = *state;
    struct chat_options options = {.url = "http://127.0.0.1:1/v1", .model = "m", .key_file = world->key_path};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err err = {0};
        write_key(world, cases[i].text, cases[i].mode);
        assert_null(chat_new(NULL, NULL, &options, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_null(strstr(err.message, KEY));
    }
    struct err err = {0};
    options.key_file = world->folder; /* a folder */
    assert_null(chat_new(NULL, NULL, &options, &err));
    options.key_file = "/nonexistent/key";
    assert_null(chat_new(NULL, NULL, &options, &err));
    assert_int_equal(err.code, ERR_IO);
}

static void a_key_of_4_kib_is_the_largest(void **state)
{
    struct world *world = *state;
    static char text[KEY_FILE_MAX + 2];
    static struct key key;
    struct err err;
    memset(text, 'k', KEY_FILE_MAX);
    write_key(world, text, 0400);
    assert_int_equal(key_file_read(world->key_path, &key, &err), 0);
    assert_int_equal(key.len, KEY_FILE_MAX);
    key_wipe(&key);
    assert_int_equal(key.text[0], 0);
    chmod(world->key_path, 0600);
    text[KEY_FILE_MAX] = 'k';
    write_key(world, text, 0400);
    assert_int_equal(key_file_read(world->key_path, &key, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    chmod(world->key_path, 0600);
}

static void a_key_lost_while_running_fails_without_asking(void **state)
{
    struct world *world = *state;
    static const struct step good = {0};
    world->loop = loop_new();
    world->fetch = http_fetch_new(world->loop, NULL);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", world->peer.port);
    struct chat_options options = {.url = url, .model = "m", .key_file = world->key_path};
    struct provider *provider = chat_new(world->fetch, world->loop, &options, NULL);
    assert_non_null(provider);
    unlink(world->key_path);
    world->steps = &good, world->step_count = 1;
    world->done = 0, world->wanted = 1;
    atomic_store(&world->peer.requests, 0);
    provider_ask(provider, &prompt, done, world);
    assert_int_equal(world->done, 0);
    run(world);
    assert_int_equal(world->reply.status, AI_FAILED);
    assert_int_equal(world->reply.attempts, 0);
    assert_int_equal(atomic_load(&world->peer.requests), 0);
    provider_free(provider);
    http_fetch_free(world->fetch);
    loop_free(world->loop);
}

static void addresses_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "", "ftp://h/v1", "http://h/v1?x=1", "http://h/v1#a", "http://a:b@h/v1", "h"};
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct chat_options options = {.url = urls[i], .model = "m"};
        assert_null(chat_new(NULL, NULL, &options, NULL));
    }
    assert_null(chat_new(NULL, NULL, &(struct chat_options){.url = "http://h/v1", .model = ""}, NULL));
}

/* ---- many, and cancelling ---- */

static void more_than_may_be_in_flight_says_so(void **state)
{
    struct world *world = *state;
    static const struct step good = {0};
    struct http_fetch_options one = {.max_calls = 1};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", world->peer.port);
    struct chat_options options = {.url = url, .model = "m"};
    world->steps = &good, world->step_count = 1;
    world->done = 0, world->wanted = 1;
    world->loop = loop_new();
    world->fetch = http_fetch_new(world->loop, &one);
    struct provider *provider = chat_new(world->fetch, world->loop, &options, NULL);
    struct ai_call *first = provider_ask(provider, &prompt, done, world);
    provider_ask(provider, &prompt, done, world);
    run(world); /* the second is answered first: nothing was sent */
    assert_int_equal(world->reply.attempts, 0);
    assert_int_equal(world->reply.status, AI_FAILED);
    assert_non_null(strstr(world->error, "too many are in flight"));
    provider_cancel(provider, first);
    provider_free(provider);
    http_fetch_free(world->fetch);
    loop_free(world->loop);
}

static void fifty_questions_at_once_and_a_part_of_them_cancelled(void **state)
{
    struct world *world = *state;
    static const struct step steps[] = {{.status = "503 No", .headers = "Retry-After: 0\r\n"}, {0}};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", world->peer.port);
    struct chat_options options = {.url = url, .model = "m", .backoff_ns = NS_PER_MS};
    world->steps = steps, world->step_count = 2;
    world->done = 0, world->wanted = 40;
    world->loop = loop_new();
    world->fetch = http_fetch_new(world->loop, NULL);
    struct provider *provider = chat_new(world->fetch, world->loop, &options, NULL);
    struct ai_call *calls[50];
    for (int i = 0; i < 50; i++)
        calls[i] = provider_ask(provider, &prompt, done, world);
    for (int i = 0; i < 50; i += 5)
        provider_cancel(provider, calls[i]);
    run(world);
    assert_int_equal(world->done, 40);
    assert_int_equal(world->reply.status, AI_ANSWERED);
    provider_ask(provider, &prompt, done, world); /* freed under way */
    provider_free(provider);
    assert_int_equal(http_fetch_in_flight(world->fetch), 0);
    http_fetch_free(world->fetch);
    loop_free(world->loop);
    assert_int_equal(world->done, 40);
}

static void play(const struct ai_prompt *asked, struct ai_reply *reply, void *arg)
{
    (void)arg;
    assert_true(str_equal(asked->user, prompt.user));
    reply->content = STR("{\"b\":2}");
}

static void the_scripted_provider_answers_on_the_loop(void **state)
{
    struct world *world = *state;
    world->loop = loop_new();
    world->done = 0, world->wanted = 1;
    struct provider *provider = scripted_new(world->loop, &(struct scripted_options){.answer = play});
    provider_cancel(provider, provider_ask(provider, &prompt, done, world));
    provider_ask(provider, &prompt, done, world);
    assert_int_equal(world->done, 0);
    run(world);
    assert_string_equal(world->content, "{\"b\":2}");
    provider_ask(provider, &prompt, done, world);
    provider_free(provider);
    assert_int_equal(world->done, 1);
    loop_free(world->loop);
}

static int setup(void **state)
{
    static struct world world;
    memset(&world, 0, sizeof world);
    snprintf(world.folder, sizeof world.folder, "/tmp/lunette-chat-XXXXXX");
    if (!mkdtemp(world.folder))
        return -1;
    snprintf(world.key_path, sizeof world.key_path, "%s/key", world.folder);
    write_key(&world, KEY "\n", 0600);
    world.peer.answer = answer;
    world.peer.arg = &world;
    pthread_mutex_init(&world.mutex, NULL);
    peer_start(&world.peer);
    *state = &world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    peer_stop(&world->peer);
    unlink(world->key_path);
    rmdir(world->folder);
    return 0;
}

#define story(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        story(a_good_answer_comes_with_its_tokens),
        story(the_request_is_what_the_protocol_wants),
        story(a_full_url_is_taken_as_it_is),
        story(every_bad_answer_has_its_status_and_is_not_asked_again),
        story(an_answer_above_the_limit_is_malformed),
        story(tokens_that_nobody_counted_are_estimated),
        story(passing_failures_are_tried_again),
        story(attempts_have_an_end),
        story(retry_after_is_waited_for),
        story(a_retry_after_beyond_the_timeout_ends_it_and_is_told),
        story(retry_after_comes_as_seconds_or_as_a_date),
        story(the_timeout_is_over_all),
        story(an_attempt_may_have_a_timeout_of_its_own),
        story(a_new_key_counts_with_the_next_request),
        story(a_key_that_cannot_be_used_is_refused_and_never_told),
        story(a_key_of_4_kib_is_the_largest),
        story(a_key_lost_while_running_fails_without_asking),
        story(addresses_that_are_none_are_refused),
        story(more_than_may_be_in_flight_says_so),
        story(fifty_questions_at_once_and_a_part_of_them_cancelled),
        story(the_scripted_provider_answers_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
