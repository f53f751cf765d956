#include "match/prior.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"

/* Folded text that events of many kinds hold. Words are parted by line breaks, which no literal has. */
static const char common[] =
    "c:\\windows\\system32\\cmd.exe\n"
    "c:\\windows\\system32\\svchost.exe -k netsvcs -p -s\n"
    "c:\\windows\\syswow64\\windowspowershell\\v1.0\\powershell.exe\n"
    "c:\\windows\\system32\\wbem\\wmiprvse.exe\n"
    "c:\\windows\\explorer.exe\n"
    "c:\\windows\\system32\\lsass.exe\n"
    "c:\\windows\\system32\\services.exe\n"
    "c:\\windows\\system32\\drivers\\etc\\hosts\n"
    "c:\\windows\\microsoft.net\\framework64\\v4.0.30319\\\n"
    "c:\\windows\\system32\\rundll32.exe\n"
    "c:\\windows\\system32\\conhost.exe 0xffffffff -forcev1\n"
    "c:\\windows\\system32\\kernel32.dll\n"
    "c:\\windows\\system32\\ntdll.dll\n"
    "c:\\windows\\temp\\\n"
    "c:\\program files\\\n"
    "c:\\program files (x86)\\\n"
    "c:\\programdata\\microsoft\\windows\\start menu\\programs\\\n"
    "c:\\users\\public\\\n"
    "c:\\users\\administrator\\desktop\\\n"
    "c:\\users\\default\\documents\\\n"
    "\\appdata\\local\\temp\\\n"
    "\\appdata\\roaming\\microsoft\\windows\\\n"
    "\\downloads\\\n"
    "c:\\windows\\winsxs\\amd64_microsoft-windows-\n"
    "\\device\\harddiskvolume2\\windows\\system32\\\n"
    "hklm\\system\\currentcontrolset\\services\\\n"
    "hklm\\software\\microsoft\\windows\\currentversion\\run\\\n"
    "hklm\\software\\microsoft\\windows nt\\currentversion\\\n"
    "hkey_local_machine\\software\\wow6432node\\\n"
    "hkcu\\software\\classes\\clsid\\{\n"
    "hku\\s-1-5-21-\\software\\policies\\microsoft\\windows\\\n"
    "nt authority\\system\n"
    "nt authority\\local service\n"
    "nt authority\\network service\n"
    "s-1-5-18\n"
    "microsoft-windows-sysmon/operational\n"
    "microsoft-windows-security-auditing\n"
    "microsoft corporation\n"
    "microsoft-windows-powershell/operational\n"
    "microsoft® windows® operating system\n"
    "security\nsystem\n"
    "application\n"
    "powershell.exe\nmsedge.exe\nchrome.exe\nfirefox.exe\n"
    "technique_id=t1059,technique_name=\n"
    "localhost\n127.0.0.1\n0.0.0.0\n192.168.\n10.0.0.\n::1\n"
    "http://www.\nhttps://www.\n.com/\n.exe\n.dll\n.sys\n"
    ".ps1\n.tmp\n.log\n.json\n.xml\n.html\n.php\n.js\n"
    "mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 "
    "(khtml, like gecko) chrome/1 safari/537.36\n"
    "/usr/bin/\n/usr/sbin/\n/usr/lib/\n/bin/bash\n/bin/sh\n/etc/\n/tmp/\n"
    "/var/log/\n/home/\n/root/\n/proc/\n/dev/null\n"
    "sudo\nroot\nadmin\nuser\nservice\nserver\nclient\nprocess\n"
    "amazonaws.com\n"
    "arn:aws:iam::\n"
    "get\npost\nput\ndelete\nlist\ncreate\nupdate\ndescribe\n"
    "true\nfalse\n"
    "success\nfailure\nsuccessful\nfailed\ndenied\nallowed\nerror\nwarning\ninformation\n"
    "windows\nlinux\nmacos\n"
    "authentication\nnetwork\nconnection\nsession\nfile\nregistry\nhost\nstart\nend\naccess\n"
    " -\n /c \n -c \n /k \n"
    "-nop -w hidden -enc \n"
    "invoke-\nset-\nnew-object\nsystem.net.webclient\nsystem.\n"
    "\r";

/* Which grams the text above holds: pairs exactly, fours by a hash. */
struct prior {
    uint64_t pairs[1024], fours[1024];
};

static uint32_t four_bit(const char *gram)
{
    uint32_t four;
    memcpy(&four, gram, sizeof(four));
    return four * UINT32_C(0x9e3779b1) >> 16;
}

static uint32_t pair_bit(const char *gram)
{
    uint16_t pair;
    memcpy(&pair, gram, sizeof(pair));
    return pair;
}

struct prior *prior_new(void)
{
    struct prior *prior = mem_zalloc(1, sizeof(*prior));
    for (size_t at = 0; at + 5 < sizeof(common); at++) {
        uint32_t four = four_bit(common + at), pair = pair_bit(common + at);
        prior->fours[four >> 6] |= UINT64_C(1) << (four & 63);
        prior->pairs[pair >> 6] |= UINT64_C(1) << (pair & 63);
    }
    return prior;
}

void prior_free(struct prior *prior)
{
    free(prior);
}

unsigned prior_gram(const struct prior *prior, const char *gram, size_t width)
{
    const uint64_t *bits = width == 4 ? prior->fours : prior->pairs;
    uint32_t bit = width == 4 ? four_bit(gram) : pair_bit(gram);
    return bits[bit >> 6] >> (bit & 63) & 1 ? 8 : 0;
}

/* A text of which every four bytes are common is more likely than its length says. */
static double familiarity(const struct prior *prior, struct str text)
{
    size_t known = 0, grams = 0;
    for (size_t at = 0; at + 4 <= text.len && at < 64; at++, grams++)
        known += prior_gram(prior, text.ptr + at, 4) > 0;
    return grams ? (double)known / (double)grams : 0.5;
}

static double by_length(enum prior_shape shape, size_t len)
{
    static const double contains[] = {1, 0.9, 0.5, 0.25, 0.08, 0.05, 0.03, 0.02, 0.012, 0.01};
    static const double anchored[] = {1, 0.3, 0.15, 0.1, 0.05, 0.03, 0.02, 0.015, 0.01, 0.008};
    size_t last = sizeof(contains) / sizeof(contains[0]) - 1;
    size_t at = len < last ? len : last;
    if (shape == PRIOR_CONTAINS)
        return contains[at];
    double share = anchored[at];
    return shape == PRIOR_EXACT ? share * 0.6 : share;
}

double prior_share(const struct prior *prior, enum prior_shape shape, struct str literal)
{
    double share = by_length(shape, literal.len);
    double known = familiarity(prior, literal);
    if (known == 1 && memmem(common, sizeof(common) - 1, literal.ptr, literal.len))
        return share < 0.2 ? 0.2 : share;
    return share * (1 + 4 * known * known);
}
