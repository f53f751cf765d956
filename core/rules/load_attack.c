/* ATT&CK: the list "attack" is data, and what a rule says of techniques is held against it. */
#include <stdio.h>

#include "base/json.h"
#include "base/text.h"
#include "rules/load.h"

#define ATTACK_LIST "attack"
#define NEAREST     3
#define NEAR        2 /* letters that may differ */

/* "T1059", "T1059.001", "TA0002". */
static bool is_technique(struct str id)
{
    size_t at = str_starts(id, STR("TA")) ? 2 : 1;
    if (id.len < at + 4 || id.ptr[0] != 'T')
        return false;
    for (size_t i = at; i < id.len; i++) {
        bool dot = at == 1 && i == 5;
        if (dot ? id.ptr[i] != '.' : id.ptr[i] < '0' || id.ptr[i] > '9')
            return false;
    }
    return id.len == at + 4 || (at == 1 && id.len == 9);
}

static void put_text(struct buf *out, struct str text)
{
    buf_puts(out, out->len > 1 ? "," : "");
    buf_json_string(out, text);
}

/* A list of texts, or one text with , ; or blanks between the tactics, as a CSV has it. */
static struct str tactics_of(struct arena *arena, const struct json *tactics)
{
    struct buf out = BUF_EMPTY;
    struct str text;
    buf_putc(&out, '[');
    for (size_t i = 0; json_kind(tactics) == JSON_KIND_ARRAY && i < json_count(tactics); i++)
        if (json_as_str(json_item(tactics, i), &text))
            put_text(&out, text);
    for (bool more = json_as_str(tactics, &text); more && text.len;) {
        size_t len = 0;
        while (len < text.len && !memchr(",; ", text.ptr[len], 3))
            len++;
        if (len)
            put_text(&out, (struct str){text.ptr, len});
        len += len < text.len;
        text = (struct str){text.ptr + len, text.len - len};
    }
    buf_putc(&out, ']');
    struct str copy = arena_dup(arena, buf_str(&out));
    buf_free(&out);
    return copy;
}

static void add_technique(struct load *load, struct str id, struct str attributes)
{
    struct technique *technique = arena_zalloc(load->arena, sizeof(*technique));
    struct json *json = json_parse(attributes, NULL, NULL);
    technique->id = id;
    technique->name = STR("");
    json_get_str(json, "name", &technique->name);
    technique->name = arena_dup(load->arena, technique->name);
    technique->tactics = tactics_of(load->arena, json_get(json, "tactics"));
    json_free(json);
    map_put(load->set->techniques, id, technique);
}

void load_techniques(struct load *load)
{
    const struct list *list = ruleset_list(load->set, STR(ATTACK_LIST));
    if (list == NULL)
        return;
    load->set->techniques = map_new();
    for (size_t i = 0; i < list->entries.count; i++) {
        const struct literal *entry = &list->entries.items[i];
        struct str attributes;
        if (entry->type == LITERAL_STRING && list_get(list, entry->text, &attributes))
            add_technique(load, entry->text, attributes);
    }
}

struct near {
    struct str id;
    unsigned distance;
};

static void keep_near(struct near near[NEAREST], struct near one)
{
    for (size_t i = 0; i < NEAREST; i++) {
        bool before = near[i].id.ptr == NULL || one.distance < near[i].distance ||
                      (one.distance == near[i].distance && str_compare(one.id, near[i].id) < 0);
        if (!before)
            continue;
        struct near next = near[i];
        near[i] = one;
        one = next;
        if (one.id.ptr == NULL)
            return;
    }
}

/* "; did you mean "T1110", "T1110.001"?", or "". */
static const char *nearest(struct load *load, struct str id)
{
    struct near near[NEAREST] = {0};
    struct buf out = BUF_EMPTY;
    struct str other;
    void *value;
    for (size_t at = 0; map_next(load->set->techniques, &at, &other, &value);) {
        unsigned distance = text_distance(id, other, NEAR);
        if (distance <= NEAR)
            keep_near(near, (struct near){other, distance});
    }
    for (size_t i = 0; i < NEAREST && near[i].id.ptr; i++)
        buf_printf(&out, "%s\"%.*s\"", i ? ", " : "; did you mean ", STR_ARG(near[i].id));
    buf_puts(&out, out.len ? "?" : "");
    const char *text = arena_dup(load->arena, buf_str(&out)).ptr;
    buf_free(&out);
    return text;
}

static void note_absence(const struct unit *unit)
{
    struct load *load = unit->load;
    if (load->noted_attack)
        return;
    load->noted_attack = true;
    report_add(load->report, PROBLEM_NOTE, unit->file->from->path.ptr,
               "there is no list \"" ATTACK_LIST "\", so of ATT&CK ids only the form was checked");
}

void check_techniques(struct unit *unit, unsigned line, const struct str *ids, size_t count)
{
    struct load *load = unit->load;
    for (size_t i = 0; i < count; i++) {
        if (!is_technique(ids[i]))
            unit_error(unit, line,
                       "mitre: \"%.*s\" is no ATT&CK id; write it like \"T1621\" or \"T1059.001\"",
                       STR_ARG(ids[i]));
        else if (load->set->techniques == NULL)
            note_absence(unit);
        else if (map_get(load->set->techniques, ids[i]) == NULL)
            unit_error(unit, line, "mitre: \"%.*s\" is not in the list \"" ATTACK_LIST "\"%s",
                       STR_ARG(ids[i]), nearest(load, ids[i]));
    }
}
