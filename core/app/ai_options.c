#include "app/ai_options.h"

#include <string.h>
#include <strings.h>

#define MICROS              1000000
#define UNITS_MAX           INT64_C(1000000000) /* more is a slip, not a budget */
#define FIELD_PATH_MAX      256
#define PERSONAL_FIELDS_MAX 64

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12.5" in millionths; at most six digits behind the point. */
static bool micros_of(const char *text, int64_t *micros)
{
    int64_t units = 0, part = 0, place = MICROS;
    const char *p = text;
    for (; is_digit(*p) && units <= UNITS_MAX; p++)
        units = units * 10 + (*p - '0');
    if (p == text || units > UNITS_MAX)
        return false;
    if (*p == '.') {
        if (!is_digit(*++p))
            return false;
        for (; is_digit(*p) && place > 1; p++)
            part += (*p - '0') * (place /= 10);
    }
    *micros = units * MICROS + part;
    return *p == '\0';
}

struct money {
    const char *name, *text;
    int64_t *micros;
};

static int read_money(const struct settings *s, struct ai_settings *ai, struct err *err)
{
    const struct money all[] = {
        {"ai-money-day", s->ai_money_day, &ai->micros_day},
        {"ai-prompt-price", s->ai_prompt_price, &ai->prompt_price},
        {"ai-completion-price", s->ai_completion_price, &ai->completion_price},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (!micros_of(all[i].text, all[i].micros))
            return err_set(err, ERR_INVALID,
                           "--%s: expected an amount as in 12.50, at most %lld and six digits behind the "
                           "point, got \"%s\"",
                           all[i].name, (long long)UNITS_MAX, all[i].text);
    return 0;
}

static bool is_path(const char *text, size_t len)
{
    bool after_dot = true;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool dot = c == '.';
        if ((dot && after_dot) || !(dot || c == '_' || c == '-' || c == '@' || is_digit(c) ||
                                    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
        after_dot = dot;
    }
    return len && len <= FIELD_PATH_MAX && !after_dot;
}

static int check_personal(const char *list, struct err *err)
{
    size_t count = 0;
    for (const char *p = list; *p; p += *p == ',') {
        p += strspn(p, " ");
        size_t len = strcspn(p, ","), used = len;
        while (used && p[used - 1] == ' ')
            used--;
        if (!is_path(p, used))
            return err_set(err, ERR_INVALID,
                           "--ai-personal-fields: expected ECS paths with commas between, as in "
                           "user.full_name,user.email, got \"%.*s\"",
                           (int)(used < 64 ? used : 64), p);
        if (++count > PERSONAL_FIELDS_MAX) /* the analysts take no more, and none may be left out silently */
            return err_set(err, ERR_INVALID, "--ai-personal-fields: at most %d", PERSONAL_FIELDS_MAX);
        p += len;
    }
    return 0;
}

int ai_options_read(const struct settings *s, struct ai_settings *ai, struct err *err)
{
    *ai = (struct ai_settings){.url = s->ai_url,
                               .model = s->ai_model,
                               .key_file = s->ai_key_file,
                               .ca_file = s->ai_ca_file,
                               .concurrency = (unsigned)s->ai_concurrency,
                               .tokens_day = s->ai_tokens_day,
                               .rule_tokens_day = s->ai_rule_tokens_day,
                               .agent_tokens_day = s->ai_agent_tokens_day,
                               .personal_fields = s->ai_personal_fields};
    if (s->actions != ACTIONS_DRY_RUN)
        return err_set(err, ERR_INVALID,
                       "--actions live is not built yet: actions are planned, approved and run dry");
    if (s->ai_url[0] && s->ai_model[0] == '\0')
        return err_set(err, ERR_INVALID, "--ai-url needs --ai-model: the name that the endpoint gives it");
    if (s->ai_ca_file[0] && strncasecmp(s->ai_url, "http:", 5) == 0)
        return err_set(err, ERR_INVALID,
                       "--ai-ca-file needs an address that begins with https://: nothing is "
                       "verified over http");
    return read_money(s, ai, err) || check_personal(s->ai_personal_fields, err) ? -1 : 0;
}
