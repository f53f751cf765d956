#include "app/demo_maker.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/id.h"

const char *const demo_customers[CUSTOMERS] = {"Aster Bank", "Borealis Energy", "Cobalt Retail",
                                               "Dune Logistics", "Elm Hospital"};
const char *const demo_first_names[FIRST_NAMES] = {
    "ana", "bo",   "carla", "dmitri", "elif", "femi", "grace", "hugo", "ines", "jun",  "kofi", "lena",
    "mei", "nils", "olga",  "pavel",  "quin", "rosa", "sami",  "tara", "uma",  "vera", "wen",  "yusuf"};
const char *const demo_last_names[LAST_NAMES] = {
    "almeida", "berg",  "costa", "dubois", "eriksen", "fischer", "garcia", "haddad",
    "ito",     "jones", "kowal", "lopez",  "moreau",  "novak",   "okafor", "peters",
    "quist",   "rossi", "silva", "tanaka", "ueda",    "vargas",  "weiss",  "zhou"};
const char *const demo_browsers[BROWSERS] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
    "Safari/537.36",
};
const char *const demo_pages[PAGES] = {"/prices", "/products/4711", "/search", "/api/stock"};

const struct city demo_cities[CITIES] = {
    {"London", "GB", 51.51, -0.13},     {"New York", "US", 40.71, -74.01},
    {"Singapore", "SG", 1.35, 103.82},  {"Sao Paulo", "BR", -23.55, -46.63},
    {"Lagos", "NG", 6.52, 3.38},        {"Sydney", "AU", -33.87, 151.21},
    {"Tokyo", "JP", 35.68, 139.69},     {"Berlin", "DE", 52.52, 13.40},
    {"Toronto", "CA", 43.65, -79.38},   {"Mumbai", "IN", 19.08, 72.88},
    {"Cape Town", "ZA", -33.92, 18.42}, {"Madrid", "ES", 40.42, -3.70},
};

/* SplitMix64. */
uint64_t maker_draw(struct maker *m)
{
    uint64_t z = m->chance += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

unsigned maker_below(struct maker *m, size_t limit)
{
    return (unsigned)(maker_draw(m) % limit);
}

const char *maker_pick(struct maker *m, const char *const *choices, size_t count)
{
    return choices[maker_below(m, count)];
}

struct text maker_user(struct maker *m)
{
    struct text name;
    const char *first = MAKER_PICK(m, demo_first_names);
    snprintf(name.chars, sizeof(name.chars), "%s.%s", first, MAKER_PICK(m, demo_last_names));
    return name;
}

struct text maker_host(struct maker *m, const char *kind)
{
    struct text name;
    snprintf(name.chars, sizeof(name.chars), "%s-%04u", kind, maker_below(m, 10000));
    return name;
}

struct text maker_attacker(struct maker *m)
{
    struct text ip;
    unsigned n = maker_below(m, 254 + 126);
    if (n < 254)
        snprintf(ip.chars, sizeof(ip.chars), "203.0.113.%u", n + 1);
    else
        snprintf(ip.chars, sizeof(ip.chars), "192.0.2.%u", n - 254 + 129);
    return ip;
}

struct maker maker_of(const char *purpose, uint64_t seed, int64_t now_ns, struct buf *out)
{
    struct maker m = {.out = out, .chance = seed, .seed = seed, .purpose = purpose, .now_ns = now_ns};
    m.customer = MAKER_PICK(&m, demo_customers);
    return m;
}

/* ---- writing an event ---- */

void maker_field(struct maker *m, const char *path, const char *value)
{
    buf_json_kstr(m->out, path, str_from(value));
}

void maker_begin(struct maker *m, int64_t time_ns)
{
    uint32_t place = m->made++;
    struct id128 id = hash_id((struct str[]){{(const char *)&m->seed, sizeof(m->seed)},
                                             {(const char *)&m->now_ns, sizeof(m->now_ns)},
                                             {(const char *)&place, sizeof(place)},
                                             str_from(m->purpose)},
                              4);
    char hex[33];
    id_hex(id.bytes, sizeof(id.bytes), hex);
    buf_putc(m->out, '{');
    buf_json_ktime(m->out, "@timestamp", time_ns);
    maker_field(m, "event.id", hex);
    maker_field(m, "organization.name", m->customer);
}

void maker_end(struct maker *m)
{
    buf_puts(m->out, "}\n");
}

int64_t maker_time(const struct maker *m, unsigned i, unsigned count, int64_t step_ns)
{
    return m->now_ns - (int64_t)(count - 1 - i) * step_ns;
}

/* ---- what happens ---- */

void maker_begin_visit(struct maker *m, int64_t time_ns, const struct visit *visit)
{
    maker_begin(m, time_ns);
    maker_field(m, "event.kind", "event");
    maker_field(m, "event.category", "web");
    maker_field(m, "source.ip", visit->ip);
    maker_field(m, "user_agent.original", visit->agent);
    maker_field(m, "http.request.method", visit->method);
    maker_field(m, "url.path", visit->path);
    buf_json_kint(m->out, "http.response.status_code", visit->status);
}

void maker_begin_sign_in(struct maker *m, int64_t time_ns, const struct sign_in *s)
{
    maker_begin(m, time_ns);
    maker_field(m, "event.kind", "event");
    maker_field(m, "event.category", "authentication");
    maker_field(m, "event.action", s->action);
    maker_field(m, "event.outcome", s->outcome);
    maker_field(m, "user.name", s->user);
    maker_field(m, "source.ip", s->ip);
}

void maker_failed_sign_in(struct maker *m, int64_t time_ns, const char *user, const char *ip)
{
    struct sign_in s = {user, ip, "logon-failed", "failure"};
    maker_begin_sign_in(m, time_ns, &s);
    maker_field(m, "host.name", "sso-01");
    maker_end(m);
}

static void place(struct maker *m, const char *prefix, const struct city *city)
{
    char path[64];
    snprintf(path, sizeof(path), "%s.city_name", prefix);
    maker_field(m, path, city->name);
    snprintf(path, sizeof(path), "%s.country_iso_code", prefix);
    maker_field(m, path, city->country);
    snprintf(path, sizeof(path), "%s.location", prefix);
    buf_json_key(m->out, path);
    buf_printf(m->out, "{\"lat\":%.2f,\"lon\":%.2f}", city->lat, city->lon);
}

void maker_sign_in_at(struct maker *m, const struct sign_in *s, const struct stop *stop)
{
    maker_begin_sign_in(m, stop->time_ns, s);
    place(m, "source.geo", stop->city);
    if (stop->from) {
        place(m, "lunette.previous.source.geo", stop->from);
        buf_json_kint(m->out, "lunette.previous.elapsed_seconds", stop->elapsed_ns / NS_PER_S);
    }
    maker_end(m);
}

void maker_process(struct maker *m, int64_t time_ns, struct seat seat, const struct process *process)
{
    maker_begin(m, time_ns);
    maker_field(m, "event.kind", "event");
    maker_field(m, "event.category", "process");
    maker_field(m, "event.type", "start");
    maker_field(m, "host.name", seat.host);
    maker_field(m, "user.name", seat.user);
    maker_field(m, "process.executable", process->executable);
    maker_field(m, "process.command_line", process->command_line);
    maker_field(m, "process.parent.executable", process->parent);
    maker_end(m);
}

void maker_question(struct maker *m, int64_t time_ns, const char *host, const char *name)
{
    maker_begin(m, time_ns);
    maker_field(m, "event.kind", "event");
    maker_field(m, "event.category", "network");
    maker_field(m, "network.protocol", "dns");
    maker_field(m, "host.name", host);
    maker_field(m, "dns.question.name", name);
    maker_end(m);
}
