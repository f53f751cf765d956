#include "net/http_client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

#define ANSWER_MAX (8u << 20)

struct http_client {
    CURL *curl;
    int64_t timeout_ns;
};

struct http_client *http_client_new(int64_t timeout_ns)
{
    struct http_client *client = mem_zalloc(1, sizeof(*client));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    client->timeout_ns = timeout_ns;
    if (client->curl == NULL)
        die("libcurl cannot start");
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    free(client);
}

static size_t take_answer(char *bytes, size_t size, size_t count, void *arg)
{
    struct buf *out = arg;
    if (out->len + size * count > ANSWER_MAX)
        return 0;
    buf_add(out, bytes, size * count);
    return size * count;
}

static struct curl_slist *headers_of(const char *content_type, const char *token)
{
    struct buf line = BUF_EMPTY;
    buf_printf(&line, "Content-Type: %s", content_type);
    struct curl_slist *list = curl_slist_append(NULL, line.ptr);
    list = curl_slist_append(list, "Expect:");
    if (token[0]) {
        buf_clear(&line);
        buf_printf(&line, "Authorization: Bearer %s", token);
        list = curl_slist_append(list, line.ptr);
    }
    buf_free(&line);
    return list;
}

int http_client_post(struct http_client *client, const struct http_post *post, int *status, struct buf *out,
                     struct err *err)
{
    struct curl_slist *headers = headers_of(post->content_type, post->token);
    long code = 0;
    curl_easy_setopt(client->curl, CURLOPT_URL, post->url);
    curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_TIMEOUT_MS, (long)(client->timeout_ns / NS_PER_MS));
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
    curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, post->body.len ? post->body.ptr : "");
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, out);
    CURLcode rc = curl_easy_perform(client->curl);
    curl_slist_free_all(headers);
    if (rc != CURLE_OK)
        return err_set(err, rc == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_IO, "%s: %s", post->url,
                       curl_easy_strerror(rc));
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &code);
    *status = (int)code;
    return 0;
}
