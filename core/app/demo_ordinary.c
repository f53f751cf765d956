#include <stdio.h>

#include "app/demo.h"
#include "app/demo_maker.h"

#define PEOPLE 60

/* Somebody who works here: always the same name, customer, address, host and city for the same number. */
struct person {
    struct text user, ip, host;
    const struct city *home;
};

static struct person somebody(struct maker *m)
{
    struct person person;
    unsigned n = maker_below(m, PEOPLE);
    m->customer = demo_customers[n % COUNT(demo_customers)];
    person.home = &demo_cities[n % COUNT(demo_cities)];
    snprintf(person.user.chars, sizeof(person.user.chars), "%s.%s",
             demo_first_names[n % COUNT(demo_first_names)], demo_last_names[n * 7 % COUNT(demo_last_names)]);
    snprintf(person.ip.chars, sizeof(person.ip.chars), "192.0.2.%u", n + 1);
    snprintf(person.host.chars, sizeof(person.host.chars), "pc-%03u", n);
    return person;
}

static void ordinary_sign_in(struct maker *m, int64_t time_ns)
{
    struct person who = somebody(m);
    if (maker_below(m, 20) == 0) {
        maker_failed_sign_in(m, time_ns, who.user.chars, who.ip.chars);
        return;
    }
    struct sign_in s = {who.user.chars, who.ip.chars, "logged-in", "success"};
    struct stop stop = {.time_ns = time_ns,
                        .city = who.home,
                        .from = who.home,
                        .elapsed_ns = (60 + (int64_t)maker_below(m, 36000)) * NS_PER_S};
    maker_sign_in_at(m, &s, &stop);
}

static void ordinary_visit(struct maker *m, int64_t time_ns)
{
    struct person who = somebody(m);
    struct visit visit = {who.ip.chars, MAKER_PICK(m, demo_browsers), "GET", MAKER_PICK(m, demo_pages),
                          maker_below(m, 25) ? 200 : 404};
    maker_begin_visit(m, time_ns, &visit);
    maker_field(m, "user.name", who.user.chars);
    maker_end(m);
}

static void ordinary_question(struct maker *m, int64_t time_ns)
{
    static const char *const names[] = {"intranet.example.com", "updates.example.net", "mail.example.org",
                                        "cdn.example.net"};
    struct person who = somebody(m);
    maker_question(m, time_ns, who.host.chars, MAKER_PICK(m, names));
}

static void ordinary_process(struct maker *m, int64_t time_ns)
{
    static const struct process programs[] = {
        {"C:\\Program Files\\Mozilla Firefox\\firefox.exe", "firefox.exe", EXPLORER},
        {SYSTEM32 "notepad.exe", "notepad.exe C:\\Users\\me\\notes.txt", EXPLORER},
        {WINWORD, "WINWORD.EXE /n report.docx", EXPLORER},
        {POWERSHELL, "powershell.exe -File C:\\Scripts\\inventory.ps1", SYSTEM32 "svchost.exe"},
    };
    struct person who = somebody(m);
    maker_process(m, time_ns, (struct seat){who.host.chars, who.user.chars},
                  &programs[maker_below(m, COUNT(programs))]);
}

void demo_ordinary(uint64_t seed, int64_t now_ns, unsigned count, struct buf *ndjson)
{
    static void (*const kinds[])(struct maker *, int64_t) = {ordinary_sign_in, ordinary_visit,
                                                             ordinary_question, ordinary_process};
    struct maker m = maker_of("ordinary", seed, now_ns, ndjson);
    for (unsigned i = 0; i < count; i++)
        kinds[maker_below(&m, COUNT(kinds))](&m, maker_time(&m, i, count, NS_PER_S / (count + 1)));
}
