#include "match/scratch.h"

#define SHOWN_MAX  20  /* values of one list */
#define SHOWN_TEXT 256 /* bytes of one value */

static enum verdict explain_tree(struct match_scratch *s, const struct tree *tree, struct buf *out);

static void put_verdict(struct buf *out, enum verdict verdict)
{
    if (verdict == VERDICT_UNKNOWN) {
        buf_json_key(out, "holds");
        buf_puts(out, "null");
        return;
    }
    buf_json_kbool(out, "holds", verdict == VERDICT_YES);
}

static void put_text(struct buf *out, struct str text)
{
    struct str shown = {text.ptr, text.len < SHOWN_TEXT ? text.len : SHOWN_TEXT};
    buf_json_string(out, shown);
}

static void put_wanted(struct buf *out, const struct spec *spec)
{
    buf_json_key(out, "wanted");
    buf_putc(out, '[');
    for (size_t i = 0; i < spec->count && i < SHOWN_MAX; i++) {
        if (i)
            buf_putc(out, ',');
        if (spec->values[i].type == LITERAL_STRING)
            put_text(out, spec_text(&spec->values[i]));
        else
            buf_put(out, spec->values[i].type == LITERAL_NULL ? STR("null") : spec_text(&spec->values[i]));
    }
    buf_putc(out, ']');
    buf_json_kuint(out, "wanted_count", spec->count);
}

static void put_value(struct buf *out, const struct subject *subject)
{
    if (subject->value->type == VALUE_NULL)
        buf_puts(out, "null");
    else if (subject->value->type == VALUE_STRING)
        put_text(out, subject->text);
    else
        buf_put(out, subject->text);
}

static void put_seen(struct match_scratch *s, uint32_t slot, struct buf *out)
{
    size_t count = 0;
    buf_json_key(out, "saw");
    buf_putc(out, '[');
    for (struct subject *subject = scratch_first(s, slot); subject; subject = subject->next, count++) {
        if (count >= SHOWN_MAX)
            continue;
        if (count)
            buf_putc(out, ',');
        put_value(out, subject);
    }
    buf_putc(out, ']');
    buf_json_kuint(out, "saw_count", count);
}

static enum verdict explain_field(struct match_scratch *s, uint32_t predicate, struct buf *out)
{
    const struct predicate *p = &s->matcher->predicates[predicate];
    enum verdict verdict = scratch_judge(s, predicate);
    buf_putc(out, '{');
    buf_json_kstr(out, "kind", STR("field"));
    buf_json_kstr(out, "key", p->spec->key);
    put_verdict(out, verdict);
    put_wanted(out, p->spec);
    put_seen(s, p->slot, out);
    buf_putc(out, '}');
    return verdict;
}

static enum verdict combine(enum match_kind kind, size_t children, size_t yes, size_t no)
{
    if (kind == MATCH_ANY)
        return yes ? VERDICT_YES : no == children ? VERDICT_NO : VERDICT_UNKNOWN;
    if (kind == MATCH_NONE)
        return yes ? VERDICT_NO : no == children ? VERDICT_YES : VERDICT_UNKNOWN;
    return no ? VERDICT_NO : yes == children ? VERDICT_YES : VERDICT_UNKNOWN;
}

static enum verdict explain_tree(struct match_scratch *s, const struct tree *tree, struct buf *out)
{
    static const char *const names[] = {"all", "any", "none", "field", "keywords", "everything"};
    if (tree->kind == MATCH_FIELD)
        return explain_field(s, tree->predicate, out);
    buf_putc(out, '{');
    buf_json_kstr(out, "kind", str_from(names[tree->kind]));
    buf_json_key(out, "children");
    buf_putc(out, '[');
    size_t children = 0, yes = 0, no = 0;
    for (const struct tree *child = tree->first; child; child = child->next) {
        if (children++)
            buf_putc(out, ',');
        enum verdict one = explain_tree(s, child, out);
        yes += one == VERDICT_YES;
        no += one == VERDICT_NO;
    }
    buf_putc(out, ']');
    enum verdict verdict = combine(tree->kind, children, yes, no);
    put_verdict(out, verdict);
    buf_putc(out, '}');
    return verdict;
}

void match_explain(const struct matcher *matcher, struct match_scratch *scratch, uint32_t rule,
                   const struct event *event, struct buf *out)
{
    scratch_begin(scratch, event);
    buf_putc(out, '{');
    buf_json_kstr(out, "rule", matcher->ids[rule]);
    buf_json_kbool(out, "routed", matcher_routes(matcher, scratch->class, rule));
    buf_json_key(out, "tree");
    enum verdict verdict = explain_tree(scratch, matcher->trees[rule], out);
    put_verdict(out, verdict);
    buf_putc(out, '}');
}
