#include "ai/chat.h"

#include <stdlib.h>
#include <time.h>

#include "ai/chat_message.h"
#include "ai/key_file.h"
#include "base/id.h"
#include "base/log.h"

#define ENDPOINT    "/chat/completions"
#define SECONDS_MAX INT32_MAX /* of a wait: the server's number, so that no product overflows */

struct chat {
    struct provider provider; /* first */
    struct http_fetch *fetch;
    struct loop *loop;
    char *url, *model, *key_file; /* key_file NULL: none */
    struct chat_options options;
    struct ai_call *calls;
};

struct ai_call {
    struct chat *chat;
    struct ai_call *next, *prev;
    struct http_fetch_call *request; /* NULL between attempts */
    struct timer *pause;
    struct buf body;
    size_t prompt_bytes;
    int64_t started_ns, deadline_ns;
    unsigned attempts; /* sent */
    unsigned tries;    /* sent, or kept from being sent */
    struct ai_reply reply;
    void (*done)(const struct ai_reply *reply, void *arg);
    void *arg;
};

/* ---- Retry-After ---- */

static bool seconds_of(struct str value, int64_t *seconds)
{
    *seconds = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] < '0' || value.ptr[i] > '9')
            return false;
        *seconds = *seconds * 10 + (value.ptr[i] - '0');
        if (*seconds > SECONDS_MAX)
            *seconds = SECONDS_MAX;
    }
    return value.len > 0;
}

static bool date_of(struct str value, int64_t *seconds)
{
    char text[32];
    struct tm tm = {0};
    if (value.len >= sizeof text)
        return false;
    memcpy(text, value.ptr, value.len);
    text[value.len] = '\0';
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    *seconds = timegm(&tm);
    return true;
}

int64_t chat_retry_after(struct str value, int64_t now_ns)
{
    int64_t seconds;
    if (seconds_of(value, &seconds))
        return seconds * NS_PER_S;
    if (!date_of(value, &seconds))
        return -1;
    seconds -= now_ns / NS_PER_S;
    if (seconds > SECONDS_MAX)
        seconds = SECONDS_MAX;
    return seconds > 0 ? seconds * NS_PER_S : 0;
}

/* ---- the end of a question ---- */

static void call_free(struct ai_call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        call->chat->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    if (call->request)
        http_fetch_cancel(call->chat->fetch, call->request);
    timer_free(call->pause);
    buf_free(&call->body);
    free(call);
}

static void call_end(struct ai_call *call)
{
    struct ai_reply *reply = &call->reply;
    timer_stop(call->pause);
    reply->attempts = call->attempts;
    reply->took_ns = clock_monotonic() - call->started_ns;
    if (!reply->model.len)
        reply->model = str_from(call->chat->model);
    if (ai_status_is_outage(reply->status))
        LOG(LOG_WARN, "ai.failed", log_text("status", ai_status_name(reply->status)),
            log_text("error", reply->error), log_int("attempts", call->attempts),
            log_int("http_status", reply->http_status));
    call->done(reply, call->arg);
    call_free(call);
}

static void call_set(struct ai_call *call, enum ai_status status, const char *error)
{
    call->reply.status = status;
    call->reply.error = error;
}

static void on_pause_to_end(void *arg)
{
    call_end(arg);
}

/* `done` is never called from inside `ask`. */
static void end_soon(struct ai_call *call, enum ai_status status, const char *error)
{
    call_set(call, status, error);
    timer_free(call->pause);
    call->pause = timer_new(call->chat->loop, on_pause_to_end, call);
    timer_start(call->pause, 0, false);
}

/* ---- attempts ---- */

static int64_t pause_before_next(const struct ai_call *call)
{
    const struct chat_options *options = &call->chat->options;
    int64_t wait_ns = options->backoff_ns;
    for (unsigned i = 1; i < call->tries && wait_ns < options->backoff_max_ns; i++)
        wait_ns *= 2;
    if (wait_ns > options->backoff_max_ns)
        wait_ns = options->backoff_max_ns;
    uint32_t chance;
    id_random(&chance, sizeof chance);
    wait_ns = wait_ns / 2 + (int64_t)((double)wait_ns * chance / UINT32_MAX);
    return wait_ns > call->reply.retry_after_ns ? wait_ns : call->reply.retry_after_ns;
}

/* The reply is set to how this attempt ended. */
static void try_again_or_end(struct ai_call *call)
{
    int64_t wait_ns = pause_before_next(call);
    if (call->tries >= call->chat->options.max_attempts || clock_monotonic() + wait_ns >= call->deadline_ns) {
        call_end(call);
        return;
    }
    timer_start(call->pause, wait_ns, false);
}

static void count_tokens(struct ai_call *call, const struct chat_answer *answer)
{
    struct ai_reply *reply = &call->reply;
    reply->estimated |= answer->prompt_tokens < 0 || answer->completion_tokens < 0;
    reply->prompt_tokens += answer->prompt_tokens < 0 ? (int64_t)call->prompt_bytes / 4
                                                      : answer->prompt_tokens;
    reply->completion_tokens += answer->completion_tokens < 0 ? (int64_t)answer->content.len / 4
                                                              : answer->completion_tokens;
}

static void take_success(struct ai_call *call, struct str body)
{
    struct chat_answer answer;
    chat_answer_parse(body, &answer);
    count_tokens(call, &answer);
    call_set(call, answer.status, answer.error);
    call->reply.content = buf_str(&answer.content);
    call->reply.model = str_from(answer.model);
    call->reply.retry_after_ns = 0;
    /* `done` borrows from `answer`, so the call ends before it is released. */
    call_end(call);
    chat_answer_release(&answer);
}

static void take_retry_after(struct ai_call *call, const struct http_fetch_answer *answer)
{
    const struct chat_options *options = &call->chat->options;
    struct str value;
    call->reply.retry_after_ns = 0;
    if (!http_fetch_header(answer, "Retry-After", &value))
        return;
    int64_t wait_ns = chat_retry_after(value, clock_now(options->clock));
    if (wait_ns > options->retry_after_max_ns)
        wait_ns = options->retry_after_max_ns;
    call->reply.retry_after_ns = wait_ns > 0 ? wait_ns : 0;
}

static void take_status(struct ai_call *call, const struct http_fetch_answer *answer)
{
    int status = answer->status;
    call->reply.http_status = status;
    if (status == 200) {
        take_success(call, answer->body);
        return;
    }
    take_retry_after(call, answer);
    if (status == 429)
        call_set(call, AI_RATE_LIMITED, "the server limits the rate (429)");
    else if (status == 408 || status >= 500)
        call_set(call, AI_FAILED, "the server failed (5xx)");
    else if (status == 401 || status == 403)
        call_set(call, AI_FAILED, "the server does not accept the key (401 or 403)");
    else
        call_set(call, AI_FAILED, "the server does not accept the request (3xx or 4xx)");
    if (status == 429 || status == 408 || status >= 500)
        try_again_or_end(call);
    else
        call_end(call);
}

static void on_answer(const struct http_fetch_answer *answer, void *arg)
{
    struct ai_call *call = arg;
    call->request = NULL;
    call->reply.http_status = 0;
    call->reply.retry_after_ns = 0;
    switch (answer->outcome) {
    case HTTP_FETCH_ANSWERED:
        take_status(call, answer);
        return;
    case HTTP_FETCH_TOO_LARGE:
        call_set(call, AI_MALFORMED, "the server's answer is larger than its limit");
        call_end(call);
        return;
    case HTTP_FETCH_TIMED_OUT:
        call_set(call, AI_TIMED_OUT, "no answer in time");
        /* What the server did with it is not known: count the prompt. */
        call->reply.prompt_tokens += (int64_t)call->prompt_bytes / 4;
        call->reply.estimated = true;
        break;
    case HTTP_FETCH_UNREACHABLE:
        call_set(call, AI_FAILED, answer->error);
        break;
    case HTTP_FETCH_UNTRUSTED: /* a person has to see to it */
        call_set(call, AI_FAILED, answer->error);
        call_end(call);
        return;
    case HTTP_FETCH_BROKEN:
        call_set(call, AI_FAILED, "the connection ended in the middle");
        break;
    }
    try_again_or_end(call);
}

static int64_t attempt_timeout(const struct ai_call *call)
{
    int64_t left_ns = call->deadline_ns - clock_monotonic(), most_ns = call->chat->options.attempt_timeout_ns;
    if (left_ns < NS_PER_MS)
        left_ns = NS_PER_MS;
    return most_ns > 0 && most_ns < left_ns ? most_ns : left_ns;
}

static struct http_fetch_call *send_request(struct ai_call *call, const char *authorization, struct err *err)
{
    struct http_fetch_header headers[] = {{"Content-Type", "application/json"},
                                          {"Accept", "application/json"},
                                          {"Authorization", authorization}};
    struct http_fetch_request request = {.method = "POST",
                                         .url = call->chat->url,
                                         .headers = headers,
                                         .header_count = authorization ? 3 : 2,
                                         .body = buf_str(&call->body),
                                         .timeout_ns = attempt_timeout(call),
                                         .max_response = call->chat->options.max_response};
    return http_fetch_start(call->chat->fetch, &request, on_answer, call, err);
}

/* Leaves `out` empty where no key is wanted. */
static int authorization_of(const struct chat *chat, struct buf *out, struct err *err)
{
    struct key key;
    if (!chat->key_file)
        return 0;
    if (key_file_read(chat->key_file, &key, err) != 0)
        return -1;
    buf_reserve(out, sizeof key + sizeof "Bearer "); /* so that it never grows and leaves a copy behind */
    buf_printf(out, "Bearer %s", key.text);
    key_wipe(&key);
    return 0;
}

static void not_sent(struct ai_call *call, const struct err *err)
{
    if (err->code == ERR_BUSY) {
        end_soon(call, AI_FAILED, "the request cannot be sent: too many are in flight");
        return;
    }
    LOG_ERR(LOG_WARN, "ai.not_sent", err);
    end_soon(call, AI_FAILED, "the request cannot be sent: it is no valid request");
}

static void attempt(struct ai_call *call)
{
    struct buf authorization = BUF_EMPTY;
    struct err err = {0};
    call->tries++;
    if (authorization_of(call->chat, &authorization, &err) != 0) {
        LOG_ERR(LOG_WARN, "ai.key", &err);
        end_soon(call, AI_FAILED, "the key cannot be read");
        return;
    }
    call->request = send_request(call, authorization.ptr, &err);
    if (authorization.ptr)
        explicit_bzero(authorization.ptr, authorization.cap);
    buf_free(&authorization);
    if (call->request)
        call->attempts++;
    else
        not_sent(call, &err);
}

static void on_pause_over(void *arg)
{
    attempt(arg);
}

/* ---- the provider ---- */

static struct chat *chat_of(const struct provider *provider)
{
    return (struct chat *)provider; /* its first member */
}

static struct ai_call *chat_ask(struct provider *provider, const struct ai_prompt *prompt,
                                void (*done)(const struct ai_reply *reply, void *arg), void *arg)
{
    struct chat *chat = chat_of(provider);
    struct ai_call *call = mem_zalloc(1, sizeof *call);
    *call = (struct ai_call){.chat = chat, .next = chat->calls, .done = done, .arg = arg};
    if (call->next)
        call->next->prev = call;
    chat->calls = call;
    call->started_ns = clock_monotonic();
    call->deadline_ns = call->started_ns + prompt->timeout_ns;
    call->prompt_bytes = prompt->system.len + prompt->user.len + prompt->schema.len;
    call->pause = timer_new(chat->loop, on_pause_over, call);
    chat_request_print(&call->body, chat->model, prompt);
    attempt(call);
    return call;
}

static void chat_cancel(struct provider *provider, struct ai_call *call)
{
    INVARIANT(call->chat == chat_of(provider));
    call_free(call);
}

static void chat_free(struct provider *provider)
{
    struct chat *chat = chat_of(provider);
    while (chat->calls)
        call_free(chat->calls);
    free(chat->url);
    free(chat->model);
    free(chat->key_file);
    free(chat);
}

static const char *chat_name(const struct provider *provider)
{
    (void)provider;
    return "chat";
}

static const char *chat_model(const struct provider *provider)
{
    return chat_of(provider)->model;
}

static char *url_of(const char *base)
{
    struct str url = str_from(base);
    while (url.len && url.ptr[url.len - 1] == '/')
        url.len--;
    struct buf full = BUF_EMPTY;
    buf_put(&full, url);
    if (!str_ends(url, STR(ENDPOINT)))
        buf_puts(&full, ENDPOINT);
    return full.ptr;
}

static int check_options(const struct chat_options *options, struct err *err)
{
    struct key key;
    if (!options->url || !options->url[0])
        return err_set(err, ERR_INVALID, "no URL of a model is given");
    if (strpbrk(options->url, "?#"))
        return err_set(err, ERR_INVALID,
                       "the model's URL has a query or a fragment; expected http://host:port/v1");
    if (http_fetch_check_url(options->url, err) != 0)
        return -1;
    if (!options->model || !options->model[0])
        return err_set(err, ERR_INVALID, "no model is named");
    if (!options->key_file || !options->key_file[0])
        return 0;
    if (key_file_read(options->key_file, &key, err) != 0)
        return -1;
    key_wipe(&key);
    return 0;
}

static void set_defaults(struct chat_options *options)
{
    options->max_attempts = options->max_attempts ? options->max_attempts : 3;
    options->backoff_ns = options->backoff_ns > 0 ? options->backoff_ns : 500 * NS_PER_MS;
    options->backoff_max_ns = options->backoff_max_ns > 0 ? options->backoff_max_ns : 10 * NS_PER_S;
    options->retry_after_max_ns = options->retry_after_max_ns > 0 ? options->retry_after_max_ns
                                                                  : 60 * NS_PER_S;
    options->max_response = options->max_response ? options->max_response : 1 << 20;
    options->clock = options->clock ? options->clock : &clock_real;
}

struct provider *chat_new(struct http_fetch *fetch, struct loop *loop, const struct chat_options *options,
                          struct err *err)
{
    if (check_options(options, err) != 0)
        return NULL;
    struct chat *chat = mem_zalloc(1, sizeof *chat);
    chat->provider = (struct provider){
        .name = chat_name, .model = chat_model, .ask = chat_ask, .cancel = chat_cancel, .free = chat_free};
    chat->fetch = fetch;
    chat->loop = loop;
    chat->url = url_of(options->url);
    chat->model = mem_dup(options->model, strlen(options->model));
    if (options->key_file && options->key_file[0])
        chat->key_file = mem_dup(options->key_file, strlen(options->key_file));
    chat->options = *options;
    chat->options.url = chat->options.model = chat->options.key_file = NULL; /* the caller's */
    set_defaults(&chat->options);
    return &chat->provider;
}
