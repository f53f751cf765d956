#include "ai/redact_scan.h"

#define WORD_MAX  256
#define VALUE_MAX 512

/* Commands that take a password behind an option that means something else elsewhere. */
struct tool {
    const char *name, *option;
    bool attached, spaced; /* -pVALUE, -p VALUE */
    char after;            /* the secret is what follows this in the value: user:password */
};

enum { NET_NONE, NET_BEGIN, NET_USER, NET_USER_NAMED, NET_USE, NET_USE_SHARED };

static const struct tool tools[] = {
    {"", "", false, false, 0}, /* 0: none */
    {"net", "", false, false, 0},
    {"net1", "", false, false, 0},
    {"7z", "-p", true, false, 0},
    {"7za", "-p", true, false, 0},
    {"az", "-p", false, true, 0},
    {"bcp", "-P", true, true, 0},
    {"cme", "-p", false, true, 0},
    {"crackmapexec", "-p", false, true, 0},
    {"curl", "-u", true, true, ':'},
    {"docker", "-p", false, true, 0},
    {"evil-winrm", "-p", false, true, 0},
    {"hydra", "-p", false, true, 0},
    {"ldapadd", "-w", true, true, 0},
    {"ldapmodify", "-w", true, true, 0},
    {"ldapsearch", "-w", true, true, 0},
    {"mariadb", "-p", true, false, 0},
    {"mongo", "-p", false, true, 0},
    {"mongosh", "-p", false, true, 0},
    {"mysql", "-p", true, false, 0},
    {"mysqladmin", "-p", true, false, 0},
    {"mysqldump", "-p", true, false, 0},
    {"netexec", "-p", false, true, 0},
    {"nxc", "-p", false, true, 0},
    {"osql", "-P", true, true, 0},
    {"paexec", "-p", false, true, 0},
    {"podman", "-p", false, true, 0},
    {"psexec", "-p", false, true, 0},
    {"psexec64", "-p", false, true, 0},
    {"rar", "-hp", true, false, 0},
    {"redis-cli", "-a", false, true, 0},
    {"rpcclient", "-U", true, true, '%'},
    {"schtasks", "/rp", false, true, 0},
    {"smbclient", "-U", true, true, '%'},
    {"sqlcmd", "-P", true, true, 0},
    {"sshpass", "-p", true, true, 0},
    {"wget", "--user", false, true, ':'},
    {"xfreerdp", "/p:", true, false, 0},
};

static bool ends_word(char c)
{
    return c == '\0' || scan_is_space(c) || c == '"' || c == '\'' || c == '|' || c == ';' || c == '&';
}

static struct str base_name(struct str word)
{
    for (size_t i = word.len; i > 0; i--)
        if (word.ptr[i - 1] == '/' || word.ptr[i - 1] == '\\') {
            word = (struct str){word.ptr + i, word.len - i};
            break;
        }
    if (word.len > 4 && scan_equal_lower((struct str){word.ptr + word.len - 4, 4}, ".exe"))
        word.len -= 4;
    return word;
}

static unsigned tool_named(struct str word)
{
    struct str name = base_name(word);
    for (unsigned i = 1; i < sizeof tools / sizeof tools[0]; i++)
        if (scan_equal_lower(name, tools[i].name))
            return i;
    return 0;
}

/* "8080:80", "3306": a port, not a password. */
static bool is_ports(struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!scan_is_digit(value.ptr[i]) && !strchr(":./-", value.ptr[i]))
            return false;
    return true;
}

static bool take(struct scan *scan, size_t from, struct hit *hit)
{
    const struct tool *tool = &tools[scan->tool];
    char quote = scan_at(scan, from) == '"' || scan_at(scan, from) == '\'' ? scan_at(scan, from) : '\0';
    size_t end = from += quote != '\0';
    while (end - from < VALUE_MAX && end < scan->text.len &&
           (quote ? scan_at(scan, end) != quote : !ends_word(scan_at(scan, end))))
        end++;
    if (tool->after) {
        const char *sign = memchr(scan->text.ptr + from, tool->after, end - from);
        if (!sign)
            return false;
        from = (size_t)(sign - scan->text.ptr) + 1;
    } else if (is_ports(scan_slice(scan, from, end)) &&
               (strcmp(tool->name, "docker") == 0 || strcmp(tool->name, "podman") == 0))
        return false;
    if (end <= from || scan_at(scan, from) == '$')
        return false;
    scan->tool = 0; /* "sshpass -p secret ssh -p 22": one password a command */
    *hit = (struct hit){.from = from, .to = end, .kind = REDACT_SECRET_PASSWORD, .label = "password"};
    return true;
}

/* net user NAME PASSWORD, net use [X:] \\SHARE PASSWORD */
static bool net_word(struct scan *scan, struct str word, size_t at, struct hit *hit)
{
    bool is_option = word.ptr[0] == '/' || word.ptr[0] == '*';
    switch (scan->net) {
    case NET_BEGIN:
        scan->net = scan_equal_lower(word, "user")  ? NET_USER
                    : scan_equal_lower(word, "use") ? NET_USE
                                                    : NET_NONE;
        return false;
    case NET_USER:
        scan->net = is_option ? NET_NONE : NET_USER_NAMED;
        return false;
    case NET_USE:
        if (str_starts(word, STR("\\\\")))
            scan->net = NET_USE_SHARED;
        return false;
    case NET_USER_NAMED:
    case NET_USE_SHARED:
        scan->net = NET_NONE;
        return !is_option && take(scan, at, hit);
    default:
        return false;
    }
}

static bool option_word(struct scan *scan, struct str word, size_t at, struct hit *hit)
{
    const struct tool *tool = &tools[scan->tool];
    struct str option = str_from(tool->option);
    if (!str_starts(word, option))
        return false;
    if (tool->attached && (word.len > option.len || scan_at(scan, at + option.len) == '\'' ||
                           scan_at(scan, at + option.len) == '"'))
        return take(scan, at + option.len, hit);
    scan->value_next = tool->spaced && word.len == option.len;
    return false;
}

static struct str word_at(const struct scan *scan, size_t at)
{
    size_t end = at;
    while (end - at < WORD_MAX && !ends_word(scan_at(scan, end)))
        end++;
    return scan_slice(scan, at, end);
}

bool scan_command(struct scan *scan, size_t at, struct hit *hit)
{
    char before = scan_before(scan, at);
    if (at > scan->begin && !ends_word(before))
        return false;
    if (before == '|' || before == ';' || before == '&' || before == '\n')
        scan->tool = 0;
    struct str word = word_at(scan, at);
    if (!word.len)
        return false;
    if (strchr(",:}])", word.ptr[0]))
        scan->tool = 0; /* the JSON string that held the command is over */
    unsigned tool = tool_named(word);
    if (tool) {
        scan->tool = tool;
        scan->value_next = false;
        scan->net = tools[tool].option[0] ? NET_NONE : NET_BEGIN;
        return false;
    }
    if (!scan->tool)
        return false;
    if (scan->value_next) {
        scan->value_next = false;
        return word.ptr[0] != '-' && take(scan, at, hit);
    }
    if (scan->net != NET_NONE)
        return net_word(scan, word, at, hit);
    return tools[scan->tool].option[0] && option_word(scan, word, at, hit);
}
