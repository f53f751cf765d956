#include "ai/chat_message.h"

#include "base/json.h"

#define TOKENS_MAX 1000000000 /* more is no count of tokens */

static const struct json_limits answer_limits = {.size = 16 << 20, .depth = 32, .duplicates = true};

static void put_message(struct buf *out, const char *role, struct str content)
{
    buf_putc(out, '{');
    buf_json_kstr(out, "role", str_from(role));
    buf_json_kstr(out, "content", content);
    buf_putc(out, '}');
}

static void put_format(struct buf *out, const struct ai_prompt *prompt)
{
    buf_json_key(out, "response_format");
    buf_putc(out, '{');
    if (!prompt->schema.len) {
        buf_json_kstr(out, "type", STR("json_object"));
    } else {
        buf_json_kstr(out, "type", STR("json_schema"));
        buf_json_key(out, "json_schema");
        buf_putc(out, '{');
        buf_json_kstr(out, "name", prompt->schema_name);
        buf_json_kbool(out, "strict", true);
        buf_json_key(out, "schema");
        buf_put(out, prompt->schema);
        buf_putc(out, '}');
    }
    buf_putc(out, '}');
}

void chat_request_print(struct buf *out, const char *model, const struct ai_prompt *prompt)
{
    buf_putc(out, '{');
    buf_json_kstr(out, "model", str_from(model));
    buf_json_key(out, "messages");
    buf_putc(out, '[');
    put_message(out, "system", prompt->system);
    buf_putc(out, ',');
    put_message(out, "user", prompt->user);
    buf_putc(out, ']');
    buf_json_kint(out, "temperature", 0);
    buf_json_kint(out, "max_tokens", prompt->max_tokens);
    put_format(out, prompt);
    buf_putc(out, '}');
}

static void set(struct chat_answer *answer, enum ai_status status, const char *error)
{
    answer->status = status;
    answer->error = error;
}

static int64_t tokens_of(const struct json *usage, const char *name)
{
    int64_t count;
    if (!json_get_int(usage, name, &count) || count < 0 || count > TOKENS_MAX)
        return -1;
    return count;
}

static void take_model(const struct json *root, struct chat_answer *answer)
{
    struct str model;
    if (!json_get_str(root, "model", &model) || model.len > CHAT_MODEL_MAX)
        return;
    for (size_t i = 0; i < model.len; i++)
        if (model.ptr[i] <= ' ' || model.ptr[i] > '~')
            return;
    memcpy(answer->model, model.ptr, model.len);
    answer->model[model.len] = '\0';
}

static void take_content(struct str content, struct chat_answer *answer)
{
    struct err err;
    struct json *parsed = json_parse(content, NULL, &err);
    if (json_kind(parsed) == JSON_KIND_OBJECT) {
        set(answer, AI_ANSWERED, "");
        buf_put(&answer->content, content);
    } else {
        set(answer, AI_MALFORMED, "the model's answer is no JSON object");
    }
    json_free(parsed);
}

static void take_choice(const struct json *choice, struct chat_answer *answer)
{
    const struct json *message = json_get(choice, "message");
    struct str text, finish = {0};
    json_get_str(choice, "finish_reason", &finish);
    if ((json_get_str(message, "refusal", &text) && text.len) || str_is(finish, "content_filter"))
        set(answer, AI_REFUSED, "the model refused to answer");
    else if (str_is(finish, "length"))
        set(answer, AI_TRUNCATED, "the model's answer was cut at max_tokens");
    else if (json_get_str(message, "content", &text))
        take_content(text, answer);
    else
        set(answer, AI_MALFORMED, "the server's answer holds no message");
}

void chat_answer_parse(struct str body, struct chat_answer *answer)
{
    struct err err;
    *answer = (struct chat_answer){.prompt_tokens = -1, .completion_tokens = -1};
    struct json *root = json_parse(body, &answer_limits, &err);
    const struct json *choice = json_item(json_get(root, "choices"), 0), *usage = json_get(root, "usage");
    answer->prompt_tokens = tokens_of(usage, "prompt_tokens");
    answer->completion_tokens = tokens_of(usage, "completion_tokens");
    take_model(root, answer);
    if (choice)
        take_choice(choice, answer);
    else
        set(answer, AI_MALFORMED, "the server's answer is no chat completion");
    json_free(root);
}

void chat_answer_release(struct chat_answer *answer)
{
    buf_free(&answer->content);
}
