/* What is left of a model's answer once it was held against its schema and against the evidence as it was
 * sent. What does not stand is dropped and counted, never repaired. The fields are those of docs/ai.md:
 * verdict, confidence, severity_suggestion, claims[{text, evidence[], kind}], missing_evidence[], mitre[],
 * recommendations[], injection_suspected; others that the schema allows are kept within the caps. Pure; one
 * thread. */
#ifndef LUNETTE_AI_ANSWER_H
#define LUNETTE_AI_ANSWER_H

#include "ai/evidence.h"
#include "base/buf.h"
#include "base/json.h"

#define ANSWER_CLAIMS_MAX          20
#define ANSWER_TEXT_MAX            1024 /* bytes of one text */
#define ANSWER_RECOMMENDATIONS_MAX 10
#define ANSWER_MITRE_MAX           10
#define ANSWER_LIST_MAX            20 /* any other list */
#define ANSWER_QUOTE_MIN           4  /* shorter quotes are just words */
/* Bytes of what is kept: five findings together are still what a callback takes. */
#define ANSWER_CLAIMS_BYTES (24 << 10) /* all claims */
#define ANSWER_OTHER_BYTES  (16 << 10) /* all the rest but verdict, confidence and suggestion */
#define ANSWER_JSON_MAX     (41 << 10) /* the whole */

enum answer_verdict {
    ANSWER_NO_VERDICT, /* the agent's schema has none */
    ANSWER_MALICIOUS,
    ANSWER_SUSPICIOUS,
    ANSWER_BENIGN_EXPECTED,
    ANSWER_FALSE_POSITIVE,
    ANSWER_NOT_EVALUABLE,
};
const char *answer_verdict_name(enum answer_verdict verdict); /* "malicious", …; "" for none */

struct answer_options {
    const struct evidence_block *evidence;
    const struct json *schema; /* accepted by schema_check; NULL: none */
    bool verdict_required;     /* a missing verdict fails (coordinator) */
    bool offline;              /* from a rule's `offline`: cites are checked, no claim is needed */
    /* Whether the ATT&CK table has that id; NULL: none is known, all are dropped. */
    bool (*known_technique)(struct str id, void *arg);
    void *arg;
};

struct answer_dropped {
    unsigned claims_uncited;         /* no evidence named */
    unsigned claims_unknown;         /* names only evidence that was not sent */
    unsigned claims_quote;           /* quotes what is not there */
    unsigned claims_excess;          /* beyond the cap */
    unsigned citations;              /* of kept claims: ids that were not sent */
    unsigned mitre;                  /* unknown, or beyond the cap */
    unsigned recommendations, other; /* beyond the caps */
    unsigned texts_cut;              /* longer than ANSWER_TEXT_MAX */
};

struct answer {
    enum answer_verdict verdict;
    double confidence;       /* 0 … 1 */
    int severity_suggestion; /* 0 info … 4 critical; -1: none */
    bool injection_suspected;
    unsigned claims; /* kept */
    struct answer_dropped dropped;
    struct buf json; /* the cleaned object, at most ANSWER_JSON_MAX bytes */
};

/* 0 and *answer (answer_release frees it), or -1 and *err, whose texts hold nothing of the answer:
 * ERR_INVALID for what is no JSON object, breaks the schema, has a verdict that is none, a confidence outside
 * 0 … 1; ERR_CONFLICT when there were claims and none stands. *answer's `dropped` is filled in both cases.
 * Texts lose control and bidirectional characters. `injection_suspected` is a boolean, or an object whose
 * `suspected` is true or whose `evidence` is not empty. */
int answer_check(struct str content, const struct answer_options *options, struct answer *answer,
                 struct err *err);
void answer_release(struct answer *answer);
unsigned answer_dropped_total(const struct answer_dropped *dropped);
/* Appends the counters that are not 0 as one JSON object. */
void answer_dropped_print(const struct answer_dropped *dropped, struct buf *out);

#endif
