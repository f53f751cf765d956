/* Stories of redaction: what must go, what must stay, and how much of a published set of cases is met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ai/redact.h"
#include "base/clock.h"
#include "base/json.h"

static struct buf redacted(const char *text)
{
    struct redact *redact = redact_new(NULL);
    struct buf out = BUF_EMPTY;
    redact_text(redact, str_from(text), &out);
    buf_puts(&out, "");
    if (!out.ptr)
        buf_reserve(&out, 1)[0] = '\0';
    redact_free(redact);
    return out;
}

/* ---- secrets ---- */

struct secret_case {
    const char *text, *expected;
};

static const struct secret_case secrets[] = {
    {"AKIAIOSFODNN7EXAMPLE", "[SECRET:aws_key]"},
    {"aws_secret_access_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
     "aws_secret_access_key=[SECRET:aws_secret]"},
    {"{\"secretAccessKey\": \"wJalrXUtnFEMI/K7MDENG\"}", "{\"secretAccessKey\": \"[SECRET:aws_secret]\"}"},
    {"x-amz-security-token: FwoGZXIvYXdzEBYaDH", "x-amz-security-token: [SECRET:token]"},
    {"git clone https://ana:hunter2@git.example.org/x",
     "git clone https://ana:[SECRET:password]@git.example.org/x"},
    {"postgres://app:p@ss/w@db", "postgres://app:[SECRET:password]@ss/w@db"},
    {"postgresql://app:s3cr3t@10.0.0.5:5432/prod?sslmode=require",
     "postgresql://app:[SECRET:password]@10.0.0.5:5432/prod?sslmode=require"},
    {"redis://:pw1@cache:6379/0", "redis://:[SECRET:password]@cache:6379/0"},
    {"Server=db1;Database=hr;User Id=sa;Password=P@ss,w0rd!;Encrypt=yes",
     "Server=db1;Database=hr;User Id=sa;Password=[SECRET:password];Encrypt=yes"},
    {"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=abcDEF123456==;EndpointSuffix=core",
     "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=[SECRET:account_key];EndpointSuffix=core"},
    {"curl -H 'Authorization: Bearer abc.def-ghi123' https://api.example.com/v1",
     "curl -H 'Authorization: Bearer [SECRET:authorization]' https://api.example.com/v1"},
    {"Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [SECRET:authorization]"},
    {"sent Basic dXNlcjpwYXNz to it", "sent Basic [SECRET:authorization] to it"},
    {"{\"authorization\":\"Token 0123456789abcdef\"}",
     "{\"authorization\":\"Token [SECRET:authorization]\"}"},
    {"Cookie: theme=dark; sid=8f14e45fceea167a; JSESSIONID=0A1B2C3D4E5F6071",
     "Cookie: theme=dark; sid=[SECRET:cookie]; JSESSIONID=[SECRET:cookie]"},
    {"Cookie: id=1' OR '1'='1", "Cookie: id=1' OR '1'='1"},
    {"mysql -u root -pS3cr3t -h db hr", "mysql -u root -p[SECRET:password] -h db hr"},
    {"/usr/bin/mysqldump -p'two words' hr", "/usr/bin/mysqldump -p'[SECRET:password]' hr"},
    {"sshpass -p hunter2 ssh -p 2222 ana@10.1.1.1", "sshpass -p [SECRET:password] ssh -p 2222 ana@10.1.1.1"},
    {"PsExec.exe \\\\dc01 -u corp\\adm -p Winter2024! cmd",
     "PsExec.exe \\\\dc01 -u corp\\adm -p [SECRET:password] cmd"},
    {"net user backdoor P@ssw0rd1 /add", "net user backdoor [SECRET:password] /add"},
    {"C:\\Windows\\System32\\net.exe use Z: \\\\fs\\c$ Summer24 /user:corp\\ana",
     "C:\\Windows\\System32\\net.exe use Z: \\\\fs\\c$ [SECRET:password] /user:corp\\ana"},
    {"net user ana /domain", "net user ana /domain"},
    {"net use \\\\fs\\share /user:ana", "net use \\\\fs\\share /user:ana"},
    {"curl -u ana:hunter2 http://x.example", "curl -u ana:[SECRET:password] http://x.example"},
    {"curl -uana:hunter2 http://x.example", "curl -uana:[SECRET:password] http://x.example"},
    {"smbclient -U 'corp\\ana%hunter2' //fs/c", "smbclient -U 'corp\\ana%[SECRET:password]' //fs/c"},
    {"redis-cli -h c1 -a s3cret ping", "redis-cli -h c1 -a [SECRET:password] ping"},
    {"schtasks /create /tn x /ru corp\\svc /rp Pa55 /tr y",
     "schtasks /create /tn x /ru corp\\svc /rp [SECRET:password] /tr y"},
    {"cmdkey /add:fs /user:ana /pass:Pa55", "cmdkey /add:fs /user:ana /pass:[SECRET:password]"},
    {"app --password hunter2 --verbose", "app --password [SECRET:password] --verbose"},
    {"app --db-password=hunter2 --verbose", "app --db-password=[SECRET:password] --verbose"},
    {"app --password --verbose", "app --password --verbose"},
    {"tool --api-key abcd1234efgh", "tool --api-key [SECRET:api_key]"},
    {"plink -pw hunter2 root@h", "plink -pw [SECRET:password] root@h"},
    {"PGPASSWORD=hunter2 psql", "PGPASSWORD=[SECRET:password] psql"},
    {"openssl enc -pass pass:hunter2", "openssl enc -pass [SECRET:password]"},
    {"ConvertTo-SecureString 'P@ssw0rd' -AsPlainText -Force",
     "ConvertTo-SecureString '[SECRET:password]' -AsPlainText -Force"},
    {"ALTER USER app WITH PASSWORD 'hunter2'", "ALTER USER app WITH PASSWORD '[SECRET:password]'"},
    {"POST /login?user=ana&password=hunter2&next=%2F",
     "POST /login?user=ana&password=[SECRET:password]&next=%2F"},
    {"body=user%3Dana%26password%3Dhunter2%26x", "body=user%3Dana%26password%3D[SECRET:password]%26x"},
    {"{\"user\":\"ana\",\"password\":\"hun\\\"ter2\",\"x\":1}",
     "{\"user\":\"ana\",\"password\":\"[SECRET:password]\",\"x\":1}"},
    {"{\\\"password\\\":\\\"hunter2\\\",\\\"x\\\":1}",
     "{\\\"password\\\":\\\"[SECRET:password]\\\",\\\"x\\\":1}"},
    {"<password>hunter2</password>", "<password>[SECRET:password]</password>"},
    {"password: hunter2", "password: [SECRET:password]"},
    {"the password is hunter2.", "the password is [SECRET:password]."},
    {"client_secret=abc; next", "client_secret=[SECRET:secret]; next"},
    {"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!", "[SECRET:github_token]!"},
    {"xoxb-123456789012-abcdefghijkl", "[SECRET:slack_token]"},
    {"https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx",
     "https://hooks.slack.com/services/[SECRET:webhook]"},
    {"sk-proj-abcdef0123456789abcdef", "[SECRET:api_key]"},
    {"AIzaSyA1234567890abcdefghijklmnopqrstuv", "[SECRET:google_key]"},
    {"bot123 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaww", "bot123 [SECRET:bot_token]"},
    {"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlc2ln;", "[SECRET:jwt];"},
    {"-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY----- tail",
     "[SECRET:private_key] tail"},
    {"-----BEGIN OPENSSH PRIVATE KEY-----\\nb3BlbnNzaC1rZXktdjE", "[SECRET:private_key]"},
    {"card 4111 1111 1111 1111 exp", "card [SECRET:card] exp"},
    {"4111111111111111", "[SECRET:card]"},
    {"3782-822463-10005", "[SECRET:card]"},
    {"pay to DE89370400440532013000 now", "pay to [SECRET:iban] now"},
    {"GB29 NWBK 6016 1331 9268 19", "[SECRET:iban]"},
};

static void secrets_go_and_what_is_around_them_stays(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        struct buf out = redacted(secrets[i].text);
        if (strcmp(out.ptr, secrets[i].expected) != 0) {
            print_error("%s\n  gives    %s\n  expected %s\n", secrets[i].text, out.ptr, secrets[i].expected);
            wrong++;
        }
        buf_free(&out);
    }
    assert_int_equal(wrong, 0);
}

/* ---- evidence ---- */

static const char *const evidence[] = {
    "d41d8cd98f00b204e9800998ecf8427e",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "SHA256=E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855,IMPHASH=0",
    "123e4567-e89b-42d3-a456-426614174000",
    "192.168.1.100 and 2001:db8::1 and 10.0.0.1:443",
    "C:\\Windows\\System32\\cmd.exe /c whoami /all",
    "/home/ana/.ssh/authorized_keys",
    "https://evil.example.com/a/b?id=12&next=/admin#x",
    "S-1-5-21-3623811015-3361044348-30300820-1013",
    "arn:aws:iam::123456789012:role/admin",
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
    "AROAEXAMPLEID:session AIDACKCEVSQ6C2EXAMPLE",
    "2026-01-02T03:04:05.678Z 1767323045 1767323045678 1767323045678901234",
    "Failed password for root from 203.0.113.5 port 52344 ssh2",
    "Accepted password for ana from 203.0.113.5",
    "Invalid password: authentication failure",
    "password must be changed",
    "password is required",
    "Your password has expired",
    "password reset for ana",
    "sudo: ana : TTY=pts/0 ; PWD=/home/ana ; USER=root ; COMMAND=/bin/sh",
    "System.Management, Version=3.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35",
    "Unexpected token: } in JSON at position 12",
    "GET /index.html HTTP/1.1\" 200 512 1024 \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\"",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0",
    "ssh -p 2222 10.0.0.1",
    "docker run -p 8080:80 nginx",
    "git clone git@github.com:org/repo.git",
    "npm i left-pad@1.3.0 @scope/pkg@4.17.21",
    "user@host",
    "HTTP/dc01.corp.local@CORP.LOCAL",
    "TokenElevationType: %%1936 Logon GUID: {00000000-0000-0000-0000-000000000000}",
    "the user is basic authentication capable",
    "secret santa",
    "pass the salt",
    "bypass=1 compass=2",
    "access key rotated",
    "powershell -enc SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQA",
    "${jndi:ldap://evil.example/a}",
    "1' OR '1'='1",
    "' UNION SELECT password FROM users --",
    "select count(*) from t where token is null",
    "password=$PASSWORD",
    "password=***",
    "--password",
    "mutex 4-6-2024 12:30",
    "+0200 +02:00",
    "a+12345",
    "version 1.2.3-4567",
    "pid=12345678901",
    "CVE-2021-44228 T1110.001 4625 4688",
    "bytes=4111111111111112",
    "DE00 1234 not an account",
    "sk-learn-contrib-imbalanced-learn",
    "eyJ",
    "task eyJhbGciOiJIUzI1NiJ9 only",
    "key=value",
    "error: 555-1234",
    "Category: Authorization Policy Change",
    "to gain TEMPORARY authorization for 10.0.0.1",
    "{\"authorization\": {\"action\": \"Microsoft.Compute/write\"}}",
    "GET /.htpasswd HTTP/1.1",
    "POST /oauth2/v2.0/token HTTP/1.1",
    "{\"CommandLine\":\"net1 user\",\"ThreadID\":13312}",
    "$hToken = OpenProcessToken -ProcessHandle $h",
    "{\"sessionId\": \"user-0123456789abcdef0\"}",
    "{\"clientToken\": \"0123456789abcdef\"}",
    "Elevated Token:\\t\\tYes\\r\\n",
    "session_id=\"0123456789abcdef\" type=spam",
    "WHATSAPPDESKTOP\\2.2345.6789.0\\x",
    "00:1A:2B:3C:4D:5E",
    "0xdeadbeefcafebabe",
    "m5.large-2024-01-02",
    "kubectl get secret my-secret -n prod",
    "session token expired",
    "name is NTLM",
    "\xf0\x9f\x98\x8a \xd7\xa9\xd7\x9c\xd7\x97",
};

static void a_long_token_goes_to_its_end(void **state)
{
    (void)state;
    struct buf text = BUF_EMPTY;
    buf_printf(&text, "{\"sessionToken\":\"%04000d\",\"x\":1}", 7);
    struct buf out = redacted(text.ptr);
    assert_string_equal(out.ptr, "{\"sessionToken\":\"[SECRET:token]\",\"x\":1}");
    buf_free(&text);
    buf_free(&out);
}

static void evidence_stays(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof evidence / sizeof evidence[0]; i++) {
        struct buf out = redacted(evidence[i]);
        if (strcmp(out.ptr, evidence[i]) != 0) {
            print_error("%s\n  became %s\n", evidence[i], out.ptr);
            wrong++;
        }
        buf_free(&out);
    }
    assert_int_equal(wrong, 0);
}

/* ---- persons ---- */

static void personal_data_in_text_gets_stable_pseudonyms(void **state)
{
    (void)state;
    static const struct secret_case cases[] = {
        {"ana@example.com wrote to bo@example.org, ANA@Example.com again",
         "[EMAIL_1] wrote to [EMAIL_2], [EMAIL_1] again"},
        {"john.doe@protectai[DOT]com", "[EMAIL_1]"},
        {"mailto:ana+x@mail.example.co.uk?subject=1", "mailto:[EMAIL_1]?subject=1"},
        {"call (123) 456-7890 or 555-123-4567 or +49 170 1234567",
         "call [PHONE_1] or [PHONE_2] or [PHONE_3]"},
        {"phone: 0170 1234567", "phone: [PHONE_1]"},
        {"SSN 123-45-6789, ssn: 123456789", "SSN [SSN_1], ssn: [SSN_2]"},
        {"666-12-3456 000-12-3456 123-00-4567", "666-12-3456 000-12-3456 123-00-4567"},
        {"Full Name: Johnathan Edward Doe.", "Full Name: [PERSON_1]."},
        {"Full Name: Mary.", "Full Name: Mary."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = redacted(cases[i].text);
        assert_string_equal(out.ptr, cases[i].expected);
        buf_free(&out);
    }
}

static void configured_fields_become_pseudonyms_wherever_they_stand(void **state)
{
    (void)state;
    const char *const fields[] = {"user.name", "user.email", "custom.person.*"};
    struct redact *redact = redact_new(
        &(struct redact_options){.personal_fields = fields, .personal_count = 3});
    struct buf out = BUF_EMPTY;
    redact_learn(redact, STR("user.name"), STR("CORP\\a.smith"));
    redact_learn(redact, STR("user.name"), STR("root"));
    redact_learn(redact, STR("process.name"), STR("explorer"));
    redact_value(redact, STR("user.name"), STR("corp\\A.Smith"), &out);
    buf_putc(&out, '|');
    redact_value(redact, STR("process.command_line"), STR("type C:\\Users\\a.smith\\x a.smithy explorer"),
                 &out);
    buf_putc(&out, '|');
    redact_value(redact, STR("user.name"), STR("root"), &out);
    buf_putc(&out, '|');
    redact_value(redact, STR("custom.person.nick"), STR("bo"), &out);
    buf_putc(&out, '|');
    redact_value(redact, STR("custom.personal"), STR("bo"), &out);
    buf_putc(&out, '|');
    redact_value(redact, STR("http.request.headers.authorization"), STR("xyz"), &out);
    assert_string_equal(
        out.ptr,
        "[USER_1]|type C:\\Users\\[USER_1]\\x a.smithy explorer|root|[PERSON_1]|bo|[SECRET:authorization]");
    assert_int_equal(redact_count(redact, REDACT_PERSON), 3);
    struct buf back = BUF_EMPTY;
    redact_restore(redact, STR("[USER_1] did it, [PERSON_1] [PERSON_9] [SECRET:password] [USER_1"), &back);
    assert_string_equal(back.ptr, "CORP\\a.smith did it, bo [PERSON_9] [SECRET:password] [USER_1");
    buf_free(&out);
    buf_free(&back);
    redact_free(redact);
}

static void personal_data_found_in_text_may_be_kept(void **state)
{
    (void)state;
    struct redact *redact = redact_new(&(struct redact_options){.keep_personal = true});
    struct buf out = BUF_EMPTY;
    redact_text(redact, STR("ana@example.com 123-45-6789 password=x1 4111111111111111"), &out);
    assert_string_equal(out.ptr, "ana@example.com 123-45-6789 password=[SECRET:password] [SECRET:card]");
    buf_free(&out);
    redact_free(redact);
}

static void options_that_announce_a_secret_are_known(void **state)
{
    (void)state;
    assert_true(redact_is_secret_option(STR("--password")));
    assert_true(redact_is_secret_option(STR("-pw")));
    assert_true(redact_is_secret_option(STR("--api-key")));
    assert_false(redact_is_secret_option(STR("password")));
    assert_false(redact_is_secret_option(STR("-p")));
    assert_false(redact_is_secret_option(STR("")));
}

/* ---- time ---- */

static void hostile_text_costs_linear_time(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    print_message("SKIPPED: a sanitizer's time is not ours\n");
    skip();
#endif
    static const char *const pieces[] = {"password=\"",
                                         "a.",
                                         "@",
                                         "-----BEGIN PRIVATE KEY-----",
                                         "eyJ.",
                                         "://a:",
                                         "net user ",
                                         "1-",
                                         "mysql -p'",
                                         "Cookie: a=",
                                         "+1 ",
                                         "DE89 ",
                                         "basic ",
                                         "token ",
                                         "tel 1 ",
                                         "x@a[dot]",
                                         "\\\"password\\\":\\\""};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buf text = BUF_EMPTY, out = BUF_EMPTY;
        struct redact *redact = redact_new(NULL);
        while (text.len < 512 << 10)
            buf_puts(&text, pieces[i]);
        int64_t before = clock_thread_cpu();
        redact_text(redact, buf_str(&text), &out);
        int64_t took = clock_thread_cpu() - before;
        if (took > 20 * NS_PER_S) /* a quadratic scanner takes hours */
            fail_msg("%s: %lld ms", pieces[i], (long long)(took / NS_PER_MS));
        redact_free(redact);
        buf_free(&text);
        buf_free(&out);
    }
}

/* ---- the published cases ---- */

struct score {
    unsigned found, missed, excess; /* of what is promised */
    unsigned names, addresses; /* of people, firms and places in free text, of IP addresses: not promised */
};

static bool is_placeholder_at(struct str s, size_t *len)
{
    size_t stars = 0;
    while (stars < s.len && s.ptr[stars] == '*')
        stars++;
    *len = stars;
    if (stars >= 4)
        return true;
    if (!str_starts(s, STR("[REDACTED_")))
        return false;
    const char *end = memchr(s.ptr, ']', s.len);
    *len = end ? (size_t)(end - s.ptr) + 1 : 0;
    return end != NULL;
}

/* Our output without our placeholders, whose labels are words as well. */
static char *without_placeholders(const char *ours)
{
    struct buf out = BUF_EMPTY;
    buf_reserve(&out, 1)[0] = '\0';
    while (*ours) {
        const char *end = strncmp(ours, "[SECRET:", 8) == 0 ? strchr(ours, ']') : NULL;
        if (end)
            ours = end + 1;
        else
            buf_putc(&out, *ours++);
    }
    return out.ptr;
}

static bool names(struct str placeholder, const char *kind)
{
    return memmem(placeholder.ptr, placeholder.len, kind, strlen(kind)) != NULL;
}

/* Holds one sensitive piece of the input against our output. */
static void score_piece(struct score *score, struct str piece, struct str placeholder, const char *ours)
{
    struct buf text = BUF_EMPTY;
    char *left = without_placeholders(ours);
    buf_put(&text, piece);
    bool is_name = names(placeholder, "PERSON") || names(placeholder, "ORG") ||
                   names(placeholder, "LOCATION") || names(placeholder, "CUSTOM");
    bool is_gone = !piece.len || !strstr(left, text.ptr);
    if (names(placeholder, "IP_ADDRESS"))
        score->addresses++;
    else if (is_gone)
        score->found++;
    else if (is_name)
        score->names++;
    else {
        print_message("  missed: %.*s %.*s\n", STR_ARG(placeholder), STR_ARG(piece));
        score->missed++;
    }
    buf_free(&text);
    free(left);
}

/* Walks the expected text: what it shares with the input is literal, what it replaced is sensitive. */
static unsigned score_case(struct score *score, struct str input, struct str expected, const char *ours)
{
    unsigned pieces = 0;
    const char *prompt = memmem(expected.ptr, expected.len, "Prompt: ", 8);
    if (prompt)
        expected = (struct str){prompt + 8, expected.len - (size_t)(prompt + 8 - expected.ptr)};
    size_t in = 0;
    for (size_t at = 0; at < expected.len;) {
        size_t len;
        if (!is_placeholder_at((struct str){expected.ptr + at, expected.len - at}, &len)) {
            at++, in++;
            continue;
        }
        struct str placeholder = {expected.ptr + at, len};
        at += len;
        size_t next = at, ignored;
        while (next < expected.len && next - at < 6 &&
               !is_placeholder_at((struct str){expected.ptr + next, expected.len - next}, &ignored))
            next++;
        const char *found = next > at && in < input.len
                                ? memmem(input.ptr + in, input.len - in, expected.ptr + at, next - at)
                                : NULL;
        size_t end = found ? (size_t)(found - input.ptr) : input.len;
        if (in > input.len)
            break;
        score_piece(score, (struct str){input.ptr + in, end - in}, placeholder, ours);
        pieces++;
        in = end;
    }
    return pieces;
}

static unsigned placeholders_in(const char *text)
{
    unsigned count = 0;
    for (const char *at = text; (at = strchr(at, '[')); at++)
        count += strncmp(at, "[SECRET:", 8) == 0 || strncmp(at, "[EMAIL_", 7) == 0 ||
                 strncmp(at, "[PHONE_", 7) == 0 || strncmp(at, "[SSN_", 5) == 0 ||
                 strncmp(at, "[PERSON_", 8) == 0;
    return count;
}

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    struct buf text = BUF_EMPTY;
    char chunk[4096];
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
        buf_add(&text, chunk, got);
    fclose(file);
    return text.ptr;
}

static void published_cases_are_met(void **state)
{
    (void)state;
    char *text = slurp(LUNETTE_SOURCE_DIR "/../shared/data/prompts/redaction-cases.json");
    if (!text) {
        print_message("SKIPPED: no shared data\n");
        skip();
    }
    struct err err;
    struct json *cases = json_parse(str_from(text), NULL, &err);
    struct score score = {0};
    assert_non_null(cases);
    for (size_t i = 0; i < json_count(cases); i++) {
        const struct json *values = json_get(json_item(cases, i), "values");
        struct str scanner, input, expected;
        json_get_str(json_item(cases, i), "scanner", &scanner);
        if (str_is(scanner, "invisible_text") || !json_as_str(json_item(values, 0), &input) ||
            !json_as_str(json_item(values, 1), &expected))
            continue;
        struct buf ours = redacted(input.ptr);
        struct score one = {0};
        unsigned pieces = score_case(&one, input, expected, ours.ptr);
        if (!pieces && strcmp(ours.ptr, input.ptr) != 0) {
            print_message("  excess: %s\n", ours.ptr);
            one.excess += placeholders_in(ours.ptr);
        }
        score.found += one.found, score.missed += one.missed, score.excess += one.excess;
        score.names += one.names, score.addresses += one.addresses;
        buf_free(&ours);
    }
    json_free(cases);
    free(text);
    double recall = (double)score.found / (score.found + score.missed);
    double with_names = (double)score.found / (score.found + score.missed + score.names);
    double precision = (double)score.found / (score.found + score.excess);
    print_message("redaction: precision %.3f, recall %.3f (%u of %u); with names in free text, which are not "
                  "promised, %.3f; %u addresses of hosts stay by contract\n",
                  precision, recall, score.found, score.found + score.missed, with_names, score.addresses);
    assert_true(score.found >= 20);
    assert_true(precision >= 0.95);
    assert_true(recall >= 0.95);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_go_and_what_is_around_them_stays),
        cmocka_unit_test(a_long_token_goes_to_its_end),
        cmocka_unit_test(evidence_stays),
        cmocka_unit_test(personal_data_in_text_gets_stable_pseudonyms),
        cmocka_unit_test(configured_fields_become_pseudonyms_wherever_they_stand),
        cmocka_unit_test(personal_data_found_in_text_may_be_kept),
        cmocka_unit_test(options_that_announce_a_secret_are_known),
        cmocka_unit_test(hostile_text_costs_linear_time),
        cmocka_unit_test(published_cases_are_met),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
