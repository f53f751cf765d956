#include "net/http_fetch.h"

#include <ctype.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "loop/thread.h"

#define CONNECTIONS_DEFAULT 256
#define CALLS_DEFAULT       1024
#define CONNECT_DEFAULT     (10 * NS_PER_S)
#define RESPONSE_DEFAULT    (1u << 20)
#define HEADERS_MAX         (64u << 10)

struct http_fetch {
    struct loop *loop;
    CURLM *multi;
    struct event *timer; /* the one timeout that libcurl wants */
    struct http_fetch_call *calls;
    struct socket_watch *watches;
    size_t in_flight, max_calls;
    int64_t connect_timeout_ns;
    char *proxy, *ca_file;
    struct owner owner;
};

struct http_fetch_call {
    struct http_fetch *fetch;
    struct http_fetch_call *next, *prev;
    CURL *easy;
    struct curl_slist *headers_out;
    struct timer *deadline;
    struct buf body_out, body, headers;
    size_t max_response;
    int64_t started_ns;
    bool too_large;
    void (*done)(const struct http_fetch_answer *answer, void *arg);
    void *arg;
};

struct socket_watch {
    struct http_fetch *fetch;
    struct socket_watch *next, *prev;
    struct event *event;
};

/* ---- ends of a call ---- */

static void wipe_headers(struct curl_slist *list)
{
    for (struct curl_slist *at = list; at; at = at->next)
        explicit_bzero(at->data, strlen(at->data)); /* one of them is a credential */
    curl_slist_free_all(list);
}

static void call_unlink(struct http_fetch_call *call)
{
    struct http_fetch *fetch = call->fetch;
    if (call->prev)
        call->prev->next = call->next;
    else
        fetch->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    fetch->in_flight--;
}

static void call_free(struct http_fetch_call *call)
{
    curl_easy_cleanup(call->easy);
    wipe_headers(call->headers_out);
    timer_free(call->deadline);
    buf_free(&call->body_out);
    buf_free(&call->body);
    buf_free(&call->headers);
    free(call);
}

static void call_stop(struct http_fetch_call *call)
{
    timer_stop(call->deadline);
    curl_multi_remove_handle(call->fetch->multi, call->easy); /* takes its message out of the queue, too */
    call_unlink(call);
}

static void call_finish(struct http_fetch_call *call, enum http_fetch_outcome outcome, const char *error)
{
    struct http_fetch_answer answer = {
        .outcome = outcome, .error = error, .took_ns = clock_monotonic() - call->started_ns};
    if (outcome == HTTP_FETCH_ANSWERED) {
        long status = 0, version = 0;
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(call->easy, CURLINFO_HTTP_VERSION, &version);
        answer.status = (int)status;
        answer.version = version >= CURL_HTTP_VERSION_2_0 ? 2 : 1;
        answer.body = buf_str(&call->body);
        answer.headers = buf_str(&call->headers);
    }
    call_stop(call);
    call->done(&answer, call->arg);
    call_free(call);
}

/* Numbers of X509_V_ERR_…, which OpenSSL keeps; its headers belong to base/. */
static const char *why_untrusted(const struct http_fetch_call *call)
{
    long result = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &result);
    switch (result) {
    case 0: /* the chain is good, or was not yet asked for: libcurl compares the name itself, and first */
    case 1:
    case 62:
    case 64:
        return "the server's certificate is for another name";
    case 9:
        return "the server's certificate is not valid yet";
    case 10:
        return "the server's certificate, or its CA's, has expired";
    case 2:
    case 18:
    case 19:
    case 20:
    case 21:
        return "the server's certificate is signed by no CA that is trusted here";
    default:
        return "the server's certificate is not accepted";
    }
}

static const char *outcome_of(const struct http_fetch_call *call, CURLcode code,
                              enum http_fetch_outcome *outcome)
{
    if (call->too_large) {
        *outcome = HTTP_FETCH_TOO_LARGE;
        return "the answer is larger than its limit";
    }
    switch (code) {
    case CURLE_OK:
        *outcome = HTTP_FETCH_ANSWERED;
        return "";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        *outcome = HTTP_FETCH_UNREACHABLE;
        return "the host's name has no address";
    case CURLE_COULDNT_CONNECT:
        *outcome = HTTP_FETCH_UNREACHABLE;
        return "the host refuses the connection";
    case CURLE_OPERATION_TIMEDOUT: /* the call's own deadline is ours: this is the connection's */
        *outcome = HTTP_FETCH_UNREACHABLE;
        return "no connection in time";
    case CURLE_SSL_CONNECT_ERROR:
        *outcome = HTTP_FETCH_UNREACHABLE;
        return "no TLS connection: the server speaks none, or none of version 1.2 or later";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        *outcome = HTTP_FETCH_UNTRUSTED;
        return why_untrusted(call);
    case CURLE_SSL_CACERT_BADFILE:
        *outcome = HTTP_FETCH_UNTRUSTED;
        return "the file of trusted CAs cannot be read, or holds no certificate";
    default:
        *outcome = HTTP_FETCH_BROKEN;
        return "the connection ended in the middle";
    }
}

static void finish_what_ended(struct http_fetch *fetch)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(fetch->multi, &left))) {
        struct http_fetch_call *call = NULL;
        enum http_fetch_outcome outcome;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message dies with the handle */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        const char *error = outcome_of(call, code, &outcome);
        call_finish(call, outcome, error);
    }
}

static void on_deadline(void *arg)
{
    call_finish(arg, HTTP_FETCH_TIMED_OUT, "no answer in time");
}

/* ---- libcurl on libevent ---- */

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct http_fetch *fetch = ((struct socket_watch *)arg)->fetch;
    int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0), running;
    curl_multi_socket_action(fetch->multi, fd, flags, &running);
    finish_what_ended(fetch);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct http_fetch *fetch = arg;
    int running;
    curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_what_ended(fetch);
}

static void watch_free(struct socket_watch *watch)
{
    if (watch->prev)
        watch->prev->next = watch->next;
    else
        watch->fetch->watches = watch->next;
    if (watch->next)
        watch->next->prev = watch->prev;
    event_free(watch->event);
    free(watch);
}

static struct socket_watch *watch_new(struct http_fetch *fetch, curl_socket_t fd)
{
    struct socket_watch *watch = mem_zalloc(1, sizeof *watch);
    watch->fetch = fetch;
    watch->next = fetch->watches;
    if (watch->next)
        watch->next->prev = watch;
    fetch->watches = watch;
    watch->event = event_new(loop_base(fetch->loop), fd, 0, on_socket, watch);
    curl_multi_assign(fetch->multi, fd, watch);
    return watch;
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http_fetch *fetch = arg;
    struct socket_watch *watch = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            watch_free(watch);
        curl_multi_assign(fetch->multi, fd, NULL);
        return 0;
    }
    if (!watch)
        watch = watch_new(fetch, fd);
    short events = EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
    event_del(watch->event);
    event_assign(watch->event, loop_base(fetch->loop), fd, events, on_socket, watch);
    event_add(watch->event, NULL);
    return 0;
}

static int want_timeout(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    struct http_fetch *fetch = arg;
    struct timeval delay = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    if (ms < 0)
        event_del(fetch->timer);
    else
        event_add(fetch->timer, &delay);
    return 0;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_fetch_call *call = arg;
    size_t len = size * count;
    if (len > call->max_response - call->body.len) {
        call->too_large = true;
        return 0;
    }
    buf_add(&call->body, bytes, len);
    return len;
}

static size_t take_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct http_fetch_call *call = arg;
    struct str line = {bytes, size * count};
    if (str_starts(line, STR("HTTP/")))
        buf_clear(&call->headers); /* what came before was an interim answer */
    if (line.len > HEADERS_MAX - call->headers.len) {
        call->too_large = true;
        return 0;
    }
    buf_put(&call->headers, line);
    return line.len;
}

/* ---- the client ---- */

static void init_once(void)
{
    INVARIANT(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static char *text_dup(const char *text)
{
    return text && text[0] ? mem_dup(text, strlen(text)) : NULL;
}

struct http_fetch *http_fetch_new(struct loop *loop, const struct http_fetch_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static const struct http_fetch_options none;
    pthread_once(&once, init_once);
    if (!options)
        options = &none;
    struct http_fetch *fetch = mem_zalloc(1, sizeof *fetch);
    long connections = options->max_connections ? (long)options->max_connections : CONNECTIONS_DEFAULT;
    fetch->loop = loop;
    fetch->max_calls = options->max_calls ? options->max_calls : CALLS_DEFAULT;
    fetch->connect_timeout_ns = options->connect_timeout_ns > 0 ? options->connect_timeout_ns
                                                                : CONNECT_DEFAULT;
    fetch->proxy = text_dup(options->proxy);
    fetch->ca_file = text_dup(options->ca_file);
    fetch->timer = event_new(loop_base(loop), -1, 0, on_timeout, fetch);
    fetch->multi = curl_multi_init();
    if (!fetch->multi)
        die("libcurl cannot start");
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, want_timeout);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    curl_multi_setopt(fetch->multi, CURLMOPT_MAXCONNECTS, connections);
    return fetch;
}

void http_fetch_free(struct http_fetch *fetch)
{
    if (!fetch)
        return;
    while (fetch->calls)
        http_fetch_cancel(fetch, fetch->calls);
    curl_multi_cleanup(fetch->multi);
    while (fetch->watches)
        watch_free(fetch->watches);
    event_free(fetch->timer);
    free(fetch->proxy);
    free(fetch->ca_file);
    free(fetch);
}

/* ---- the beginning of a call ---- */

static bool url_has(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

static int check_url(const char *text, bool *is_https, struct err *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    int result = -1;
    if (!url)
        die("libcurl cannot start");
    if (!text || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK) {
        err_set(err, ERR_INVALID, "the URL is none; expected http://host/… or https://host/…");
        goto out;
    }
    *is_https = strcmp(scheme, "https") == 0;
    if (!*is_https && strcmp(scheme, "http") != 0)
        err_set(err, ERR_INVALID, "the URL is neither http nor https");
    else if (url_has(url, CURLUPART_USER) || url_has(url, CURLUPART_PASSWORD))
        err_set(err, ERR_INVALID, "the URL holds a user or a password; use a header");
    else
        result = 0;
out:
    curl_free(scheme);
    curl_url_cleanup(url);
    return result;
}

int http_fetch_check_url(const char *url, struct err *err)
{
    bool is_https;
    return check_url(url, &is_https, err);
}

static bool is_token(const char *text)
{
    if (!text || !text[0])
        return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text))
            return false;
    return true;
}

static bool is_header_value(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static int check_request(const struct http_fetch_request *request, bool *is_https, struct err *err)
{
    if (!is_token(request->method))
        return err_set(err, ERR_INVALID, "the method is none");
    if (request->timeout_ns <= 0)
        return err_set(err, ERR_INVALID, "the request has no timeout");
    for (size_t i = 0; i < request->header_count; i++)
        if (!is_token(request->headers[i].name) || !request->headers[i].value ||
            !is_header_value(request->headers[i].value))
            return err_set(err, ERR_INVALID, "header %zu has a name or a value that cannot be sent", i + 1);
    return check_url(request->url, is_https, err);
}

static struct curl_slist *headers_of(const struct http_fetch_request *request)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no round trip before the body */
    struct buf line = BUF_EMPTY;
    bool typed = false;
    for (size_t i = 0; i < request->header_count; i++) {
        const struct http_fetch_header *header = &request->headers[i];
        buf_clear(&line);
        buf_printf(&line, header->value[0] ? "%s: %s" : "%s;", header->name,
                   header->value); /* "X;": an empty one */
        list = curl_slist_append(list, line.ptr);
        typed |= strcasecmp(header->name, "content-type") == 0;
        explicit_bzero(line.ptr, line.len);
    }
    if (!typed)
        list = curl_slist_append(list, "Content-Type:"); /* libcurl would call it a form */
    buf_free(&line);
    if (!list)
        die("out of memory");
    return list;
}

static void set_method(struct http_fetch_call *call, const struct http_fetch_request *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (request->body.len || strcmp(request->method, "POST") == 0) {
        buf_put(&call->body_out, request->body);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, request->body.len ? call->body_out.ptr : "");
    }
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* libcurl would trust the system's folder of CAs besides, and remember the file for a day. */
static void trust_only(CURL *easy, const char *ca_file)
{
    curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
}

static void set_options(struct http_fetch_call *call, const struct http_fetch_request *request, bool is_https)
{
    struct http_fetch *fetch = call->fetch;
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_URL, request->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT,
                     is_https ? 1L : 0L); /* the first connection tells whether it is HTTP/2 */
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_PROXY, fetch->proxy ? fetch->proxy : "");
    if (fetch->ca_file)
        trust_only(easy, fetch->ca_file);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(fetch->connect_timeout_ns / NS_PER_MS));
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "lunette/" LUNETTE_VERSION);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call->headers_out);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    set_method(call, request);
}

struct http_fetch_call *http_fetch_start(struct http_fetch *fetch, const struct http_fetch_request *request,
                                         void (*done)(const struct http_fetch_answer *answer, void *arg),
                                         void *arg, struct err *err)
{
    bool is_https = false;
    owner_check(&fetch->owner, "http_fetch");
    if (check_request(request, &is_https, err) != 0)
        return NULL;
    if (fetch->in_flight >= fetch->max_calls) {
        err_set(err, ERR_BUSY, "%zu requests are in flight, as many as may be", fetch->in_flight);
        return NULL;
    }
    struct http_fetch_call *call = mem_zalloc(1, sizeof *call);
    *call = (struct http_fetch_call){.fetch = fetch,
                                     .next = fetch->calls,
                                     .easy = curl_easy_init(),
                                     .headers_out = headers_of(request),
                                     .max_response = request->max_response ? request->max_response
                                                                           : RESPONSE_DEFAULT,
                                     .started_ns = clock_monotonic(),
                                     .done = done,
                                     .arg = arg};
    if (!call->easy)
        die("out of memory");
    if (call->next)
        call->next->prev = call;
    fetch->calls = call;
    fetch->in_flight++;
    set_options(call, request, is_https);
    /* libcurl's own timeout does not run while a request waits for a connection. */
    call->deadline = timer_new(fetch->loop, on_deadline, call);
    timer_start(call->deadline, request->timeout_ns, false);
    INVARIANT(curl_multi_add_handle(fetch->multi, call->easy) == CURLM_OK);
    return call;
}

void http_fetch_cancel(struct http_fetch *fetch, struct http_fetch_call *call)
{
    INVARIANT(call->fetch == fetch);
    call_stop(call);
    call_free(call);
}

size_t http_fetch_in_flight(const struct http_fetch *fetch)
{
    return fetch->in_flight;
}

/* ---- headers of an answer ---- */

static struct str trim(struct str s)
{
    while (s.len && strchr(" \t\r\n", s.ptr[0]))
        s.ptr++, s.len--;
    while (s.len && strchr(" \t\r\n", s.ptr[s.len - 1]))
        s.len--;
    return s;
}

bool http_fetch_header(const struct http_fetch_answer *answer, const char *name, struct str *value)
{
    struct str rest = answer->headers;
    size_t name_len = strlen(name);
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end ? (size_t)(end - rest.ptr) + 1 : rest.len;
        if (len > name_len && rest.ptr[name_len] == ':' && strncasecmp(rest.ptr, name, name_len) == 0) {
            *value = trim((struct str){rest.ptr + name_len + 1, len - name_len - 1});
            return true;
        }
        rest = (struct str){rest.ptr + len, rest.len - len};
    }
    return false;
}
