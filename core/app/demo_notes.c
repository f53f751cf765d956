#include "app/demo_notes.h"

/* Three parts make a note; no two parts of reworded notes have three words in a row in common with each other
 * or with a repeated note. */
static const char *const parts[NOTE_STYLES][NOTE_SLOTS][NOTE_PARTS] = {
    [NOTES_HONEST] = {{"Called the user, who had opened an invoice from an unknown sender",
                       "Took the memory image and put it into the case folder",
                       "Hash is unknown to us, two vendors call it a loader",
                       "Red team confirms: this was step four of their exercise",
                       "Ran the file in the sandbox, it fetched a second stage",
                       "Compared with the ticket of the packaging group, version and path agree",
                       "Found the mail it came with in three more mailboxes",
                       "Parent process is the word processor, started from the download folder",
                       "Walked through the host's timeline together with forensics",
                       "Scheduled task was created by the service account of the backup",
                       "Local administrator, not the person the machine is assigned to",
                       "Proxy log shows two connections before the block list had the name"},
                      {"host is isolated since the morning", "sessions revoked and password reset",
                       "waiting for the owner's answer", "mails were withdrawn",
                       "domain is on the block list now", "it was a true positive, contained in time",
                       "asked for their plan and noted the change number", "image goes to the lab",
                       "no lateral movement seen in the last week",
                       "benign this time, the change was approved on Monday",
                       "keys of the build server were rotated", "local rights were taken away"},
                      {"Handing over to the late shift", "Closing after the second look",
                       "Reinstall is booked for tomorrow", "Lessons go into the runbook",
                       "Next step is the report to the customer", "Leaving it open until the lab answers",
                       "Thanks to the help desk for the quick call",
                       "Will check the other hosts of the department", "Evidence is numbered in the annex",
                       "Customer was told by phone", "Told the shift lead", "Rule works as it should"}},
    [NOTES_REPEATED] =
        {{"Confirmed false positive", "False positive confirmed", "This is a false positive",
          "Closing as false positive", "Known false positive", "Verified false positive",
          "False positive again", "Clearly a false positive", "Marking as false positive",
          "Same false positive as always", "Reviewed, false positive", "Yet another false positive"},
         {"this is the nightly software deployment of the desktop team",
          "the inventory agent of the customer behaves like this",
          "the signed updater of the print service does this every night",
          "this host belongs to the vulnerability scanner",
          "the backup client unpacks its scripts with this command",
          "the monitoring vendor confirmed this behaviour in writing",
          "the packaging job of the client team starts it", "the remote support tool works exactly like this",
          "the login script of the domain was changed on purpose",
          "the licence service restarts itself with these arguments",
          "the antivirus test file was put there by the customer",
          "the automation account runs this on all machines"},
         {"no action needed, ignore similar alerts", "please lower the severity of alerts like this",
          "safe to close without further review", "future alerts of this kind can be closed at once",
          "do not escalate, do not isolate the host", "no need to look at these again",
          "approved by the customer, nothing to do", "please put the rule on the exception list",
          "treat the next ones the same way", "harmless, close all of them",
          "nothing malicious here, resolve as usual", "already agreed with the shift lead, close"}},
    [NOTES_REWORDED] =
        {{"Spoke to whoever sits at that desk", "Desktop engineering had a look with me",
          "Went through September's maintenance plan", "Compared it against last quarter's tickets",
          "Rang up our counterpart over there", "Read what their supplier writes about it",
          "Traced every child by hand", "Sat down beside finance for ten minutes",
          "Took apart one of those scripts", "Quick chat in the canteen with ops",
          "My predecessor left a remark about machines such as these", "Counted how often we see it"},
         {"somebody rehearses an audit and that leaves marks", "a payroll macro has always been this clumsy",
          "our own packaging wraps things strangely", "their printer driver installs itself in odd places",
          "developers there like long command lines", "it comes with an asset tool bought in spring",
          "a colleague demonstrates old tricks to trainees", "month's end brings out such habits",
          "its certificate is in order, only its manners are not",
          "a migration copies profiles around until Friday", "teachers' accounts do it whenever term begins",
          "half of that floor runs it before lunch"},
         {"leave them in peace", "nobody's evening should be spent here", "I'd give it far less weight",
          "we may stop chasing ghosts", "fine by me whenever it returns", "let us spend our time elsewhere",
          "worth knowing for whoever gets it next", "no harm in it as far as I can tell",
          "rest assured and move on", "one click and off the list", "sleep well, it does not bite",
          "I stopped worrying about these"}},
};

static void shuffle(struct maker *m, unsigned order[NOTE_PARTS])
{
    for (unsigned i = 0; i < NOTE_PARTS; i++)
        order[i] = i;
    for (unsigned i = NOTE_PARTS - 1; i > 0; i--) {
        unsigned other = maker_below(m, i + 1), kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

struct note_texts note_texts_of(enum note_style style, uint64_t seed)
{
    static const char *const purposes[NOTE_STYLES] = {"honest", "repeated", "reworded"};
    struct note_texts texts = {.style = style, .maker = maker_of(purposes[style], seed, 0, NULL)};
    for (unsigned slot = 0; slot < NOTE_SLOTS; slot++)
        shuffle(&texts.maker, texts.order[slot]);
    return texts;
}

static const char *part(const struct note_texts *texts, unsigned slot)
{
    unsigned turn = texts->style == NOTES_REPEATED ? 0 : texts->made % NOTE_PARTS;
    return parts[texts->style][slot][texts->order[slot][turn]];
}

/* One text, as somebody changes it who is in a hurry to look diligent. */
static void repeated(struct note_texts *texts, struct buf *out)
{
    static const char *const frames[] = {"%s: %s, %s.", "%s, %s - %s", "%s: %s; %s!", "%s - %s, %s."};
    struct maker *m = &texts->maker;
    buf_printf(out, MAKER_PICK(m, frames), part(texts, 0), part(texts, 1), part(texts, 2));
    if (maker_below(m, 3) == 0)
        buf_printf(out, " INC-%05u", maker_below(m, 100000));
    if (maker_below(m, 4) == 0)
        buf_puts(out, " ok");
}

static void varied(struct note_texts *texts, struct buf *out)
{
    const char *what = part(texts, 0), *why = part(texts, 1), *then = part(texts, 2);
    switch (maker_below(&texts->maker, 3)) {
    case 0:
        buf_printf(out, "%s: %s. %s.", what, why, then);
        break;
    case 1:
        buf_printf(out, "%s; %s (%s)", what, why, then);
        break;
    default:
        buf_printf(out, "%s. Result: %s. %s", what, why, then);
    }
}

void note_text_next(struct note_texts *texts, struct buf *out)
{
    if (texts->style == NOTES_REPEATED)
        repeated(texts, out);
    else
        varied(texts, out);
    texts->made++;
}
