/* What the token file and the secret file say. */
#include "core/app/auth_world.h"

#define HASH "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae" /* of "foo" */

static void a_bad_line_is_named_and_never_quoted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *message;
    } cases[] = {
        {"# fine\nana reader\n", "tokens:2", "fewer than 4 words"},
        {"ana reader * " HASH " extra\n", "tokens:1", "more than 4 words"},
        {"ana owner * " HASH "\n", "tokens:1", "reader, sender, analyst or admin"},
        {"ana:b reader * " HASH "\n", "tokens:1", "the name must be"},
        {"ana reader a\x01 " HASH "\n", "tokens:1", "the customer must be"},
        {"ana reader a\xff " HASH "\n", "tokens:1", "the customer must be"},
        {"ana reader * topsecret\n", "tokens:1", "64 hex digits"},
        {"ana reader * sha256:topsecret\n", "tokens:1", "64 hex digits"},
        {"ana reader * " HASH "0\n", "tokens:1", "64 hex digits"},
        {"topsecret topsecret topsecret topsecret\n", "tokens:1", "the second word must be"},
        {"\n\nana reader * " HASH "\nbo reader * " HASH "\n", "tokens:4", "line 3 has this token already"},
        {"ana reader * " HASH "\n\nana reader * sha256:"
         "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9\n",
         "tokens:3", "line 1 has this name already"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        struct token_set *set = token_set_parse(str_from(cases[i].text), "tokens", &err);
        if (set || strcmp(err.where, cases[i].where) != 0 || strstr(err.message, cases[i].message) == NULL)
            fail_msg("case %zu: %s", i, err_text(&err));
        assert_int_equal(err.code, ERR_INVALID);
        assert_null(strstr(err.message, "topsecret"));
    }
}

static void what_a_line_says_is_what_a_token_gets(void **state)
{
    (void)state;
    struct err err = {0};
    struct str text = STR(
        "  ana\tanalyst  caf\xc3\xa9 " HASH "  # works nights\r\n"
        "bo admin * sha256:FCDE2B2EDBA56BF408601FB721FE9B5C338D10EE429EA04FAE5511B68FBF8FB9");
    struct token_set *set = token_set_parse(text, "tokens", &err);
    if (set == NULL)
        fail_msg("%s", err_text(&err));
    assert_int_equal(token_set_count(set), 2);
    const struct token *ana = token_set_find(set, STR("foo")), *bo = token_set_find(set, STR("bar"));
    assert_string_equal(ana->name, "ana");
    assert_string_equal(ana->customer, "caf\xc3\xa9");
    assert_int_equal(ana->role, ROLE_ANALYST);
    assert_string_equal(bo->customer, "");
    assert_ptr_equal(token_set_named(set, STR("bo")), bo);
    assert_null(token_set_find(set, STR("baz")));
    assert_null(token_set_find(set, STR("")));
    token_set_free(set);
}

static void a_token_file_holds_ten_thousand_tokens_and_one_mebibyte(void **state)
{
    (void)state;
    struct err err = {0};
    struct buf text = BUF_EMPTY;
    char token[16], name[16];
    for (int i = 0; i < TOKENS_MAX; i++) {
        snprintf(token, sizeof(token), "t%d", i);
        snprintf(name, sizeof(name), "n%d", i);
        add_token(&text, name, "reader", "*", token);
    }
    struct token_set *set = token_set_parse(buf_str(&text), "tokens", &err);
    assert_non_null(set);
    assert_string_equal(token_set_find(set, STR("t9999"))->name, "n9999");
    token_set_free(set);
    add_token(&text, "last", "reader", "*", "last");
    assert_null(token_set_parse(buf_str(&text), "tokens", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.where, "tokens:10001");

    buf_clear(&text);
    memset(buf_reserve(&text, TOKEN_FILE_MAX + 1), '#', TOKEN_FILE_MAX + 1);
    buf_grew(&text, TOKEN_FILE_MAX);
    buf_add(&text, "", 0);
    text.ptr[text.len] = '\0';
    write_file(token_path, text.ptr);
    struct auth *empty = auth_new(token_path, "", "", &err);
    assert_non_null(empty);
    auth_free(empty);
    buf_putc(&text, '#');
    write_file(token_path, text.ptr);
    err = (struct err){0};
    assert_null(auth_new(token_path, "", "", &err));
    assert_int_equal(err.code, ERR_LIMIT);
    buf_free(&text);
}

static void a_token_may_be_512_bytes_long(void **state)
{
    (void)state;
    char longest[TOKEN_MAX + 2];
    struct buf text = BUF_EMPTY;
    struct err err = {0};
    memset(longest, 'x', sizeof(longest));
    longest[TOKEN_MAX + 1] = '\0';
    add_token(&text, "over", "reader", "*", longest);
    longest[TOKEN_MAX] = '\0';
    add_token(&text, "just", "reader", "*", longest);
    struct token_set *set = token_set_parse(buf_str(&text), "tokens", &err);
    assert_non_null(set);
    assert_non_null(token_set_find(set, str_from(longest)));
    longest[TOKEN_MAX] = 'x';
    assert_null(token_set_find(set, str_from(longest)));
    token_set_free(set);
    buf_free(&text);
}

static void files_that_cannot_be_used_stop_the_start(void **state)
{
    (void)state;
    struct err err = {0};
    assert_null(auth_new("/nowhere/tokens", "", "", &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "/nowhere/tokens"));
    write_file(secret_path, "\n  \n");
    err = (struct err){0};
    assert_null(auth_new("", secret_path, "", &err));
    assert_non_null(strstr(err.message, "empty"));
    write_file(secret_path, "long enough to be one\nshort\n");
    err = (struct err){0};
    assert_null(auth_new("", secret_path, "", &err));
    assert_non_null(strstr(err_text(&err), "secrets:2: a secret must be at least 16 bytes"));
    assert_null(strstr(err_text(&err), "long enough"));
    err = (struct err){0};
    assert_null(auth_new("", "", "https://a.example, https://b.example/", &err));
    assert_non_null(strstr(err.message, "https://b.example/"));
}

static void notes_are_signed_by_the_first_secret(void **state)
{
    (void)state;
    struct err err = {0};
    char signature[65], expected[65];
    uint8_t key[32], mac[32];
    write_file(secret_path, SECRET "\n" OTHER "\n");
    struct auth *own = auth_new("", secret_path, "", &err);
    auth_sign(own, STR("a note"), signature);
    hash_hmac_sha256(STR(SECRET), STR("lunette note"), key);
    hash_hmac_sha256((struct str){(const char *)key, sizeof(key)}, STR("a note"), mac);
    id_hex(mac, sizeof(mac), expected);
    assert_string_equal(signature, expected);
    auth_free(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_bad_line_is_named_and_never_quoted),
        STORY(what_a_line_says_is_what_a_token_gets),
        STORY(a_token_file_holds_ten_thousand_tokens_and_one_mebibyte),
        STORY(a_token_may_be_512_bytes_long),
        STORY(files_that_cannot_be_used_stop_the_start),
        STORY(notes_are_signed_by_the_first_secret),
    };
    return run_stories(tests);
}
