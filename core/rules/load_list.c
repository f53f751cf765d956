/* Lists: return list { … }, or the lines of a text file. */
#include <stdio.h>
#include <stdlib.h>

#include "rules/load.h"

/* "lists/corporate_networks.txt" is the list "corporate_networks". */
static struct str list_name_of(struct str name)
{
    size_t start = name.len;
    while (start > 0 && name.ptr[start - 1] != '/')
        start--;
    return (struct str){name.ptr + start, name.len - start - 4};
}

/* Where a list of the name stands already: replaced by a later root, refused within one. */
static bool replace(struct unit *unit, struct list *list, size_t at)
{
    struct load *load = unit->load;
    const struct tree_file *from = unit->file->from;
    struct list *other = load->set->lists[at];
    const struct tree_file *other_file = NULL;
    for (size_t i = 0; i < load->tree->files.count; i++)
        if (str_equal(load->tree->files.items[i].path, other->path))
            other_file = &load->tree->files.items[i];
    if (other_file && other_file->root == from->root && other_file->kind == from->kind) {
        unit_error(unit, 0, "the list \"%.*s\" is also in %.*s; names must differ", STR_ARG(list->name),
                   STR_ARG(other->path));
        return false;
    }
    report_add(load->report, PROBLEM_NOTE, from->path.ptr, "replaces the list \"%.*s\" of %.*s",
               STR_ARG(list->name), STR_ARG(other->path));
    list_free(other);
    load->set->lists[at] = list;
    return true;
}

/* Takes the list. */
static void enter(struct unit *unit, struct list *list)
{
    struct ruleset *set = unit->load->set;
    for (size_t i = 0; i < set->list_count; i++) {
        if (!str_equal(set->lists[i]->name, list->name))
            continue;
        if (!replace(unit, list, i))
            list_free(list);
        else
            map_put(set->lists_by_name, list->name, list);
        return;
    }
    set->lists = mem_realloc(set->lists, (set->list_count + 1) * sizeof(struct list *));
    set->lists[set->list_count++] = list;
    map_put(set->lists_by_name, list->name, list);
}

static struct list *new_list(struct unit *unit, struct str name)
{
    struct arena *arena = unit->load->arena;
    check_id(unit, 0, "the list's name", name);
    return list_new(arena_dup(arena, name), arena_dup(arena, unit->file->from->path));
}

void load_list_text(struct load *load, const struct tree_file *from)
{
    struct load_file file = {.from = from};
    struct unit unit = {.load = load, .file = &file};
    struct err err = {0};
    unsigned line = 0;
    struct list *list = new_list(&unit, list_name_of(from->name));
    if (list_parse(list, load->arena, from->text, str_ends(from->name, STR(".csv")), &line, &err) != 0)
        unit_error(&unit, line, "%s", err.message);
    if (unit.errors)
        list_free(list);
    else
        enter(&unit, list);
}

bool load_attributes(struct unit *unit, const struct lval_field *field, struct str *out)
{
    const char *why = NULL;
    const struct lval *value = &field->value;
    if (value->type != LVAL_TABLE || value->kind != LVAL_PLAIN || value->item_count) {
        unit_error(unit, field->line,
                   "list: [\"%.*s\"]: expected a table of attributes, got %s; write [\"%.*s\"] = { name = "
                   "value }, or the entry alone",
                   STR_ARG(field->key), value->item_count ? "a list" : value_name(value),
                   STR_ARG(field->key));
        return false;
    }
    if (!json_of(unit->load->arena, value, out, &why)) {
        unit_error(unit, field->line, "list: [\"%.*s\"]: %s", STR_ARG(field->key), why);
        return false;
    }
    if (out->len > LIST_ATTRIBUTES_MAX) {
        unit_error(unit, field->line, "list: [\"%.*s\"]: the attributes have more than %d bytes as JSON",
                   STR_ARG(field->key), LIST_ATTRIBUTES_MAX);
        return false;
    }
    if (value->field_count == 0)
        *out = STR("");
    return true;
}

static void load_entry(struct unit *unit, struct list *list, const struct lval *item)
{
    struct literal literal;
    struct err err = {0};
    unsigned line = item->line ? item->line : unit->file->value->line;
    if (!literal_of(item, &literal) || literal.type == LITERAL_NULL) {
        unit_error(unit, line, "list: expected a string or a number, got %s", value_name(item));
        return;
    }
    literal.text = arena_dup(unit->load->arena, literal.text);
    if (list_add(list, &literal, &err) != 0)
        unit_error(unit, line, "list: %s", err.message);
}

static void load_keyed(struct unit *unit, struct list *list, const struct lval_field *field)
{
    struct literal literal = {.type = LITERAL_STRING, .text = arena_dup(unit->load->arena, field->key)};
    struct str attributes;
    struct err err = {0};
    if (load_attributes(unit, field, &attributes) && list_add_with(list, &literal, attributes, &err) != 0)
        unit_error(unit, field->line, "list: [\"%.80s\"]: %s", literal.text.ptr, err.message);
}

void load_list_value(struct load *load, const struct load_file *file)
{
    struct unit unit = {.load = load, .file = file};
    const struct lval *value = file->value;
    struct list *list = new_list(&unit, list_name_of(file->from->name));
    for (size_t i = 0; i < value->item_count && unit.errors == 0; i++)
        load_entry(&unit, list, &value->items[i]);
    for (size_t i = 0; i < value->field_count && unit.errors == 0; i++)
        load_keyed(&unit, list, &value->fields[i]);
    if (unit.errors)
        list_free(list);
    else
        enter(&unit, list);
}

/* ---- overlays ---- */

static struct list *overlaid(struct unit *unit, struct str name)
{
    struct ruleset *set = unit->load->set;
    struct list *list = map_get(set->lists_by_name, name);
    if (list)
        return list;
    list = new_list(unit, name);
    if (unit->errors == 0) {
        enter(unit, list);
        return list;
    }
    list_free(list);
    return NULL;
}

static void apply(struct load *load, const struct list_overlay *overlay)
{
    struct tree_file from = {.path = STR("overlay")};
    struct load_file file = {.from = &from};
    struct unit unit = {.load = load, .file = &file};
    struct err err = {0};
    struct list *list = overlaid(&unit, overlay->name);
    if (list && list_apply(list, load->arena, overlay, &err) != 0)
        unit_error(&unit, 0, "the list \"%.*s\": %s", STR_ARG(list->name), err.message);
}

static int list_order(const void *a, const void *b)
{
    return str_compare((*(struct list *const *)a)->name, (*(struct list *const *)b)->name);
}

void load_finish_lists(struct load *load, const struct list_overlay *overlays, size_t overlay_count)
{
    struct ruleset *set = load->set;
    for (size_t i = 0; i < overlay_count; i++)
        apply(load, &overlays[i]);
    if (set->list_count)
        qsort(set->lists, set->list_count, sizeof(struct list *), list_order);
    set->intel = arena_alloc(load->arena, (set->list_count + 1) * sizeof(struct list *));
    for (size_t i = 0; i < set->list_count; i++) {
        list_finish(set->lists[i]);
        if (str_starts(set->lists[i]->name, STR(LIST_INTEL_PREFIX)))
            set->intel[set->intel_count++] = set->lists[i];
    }
}
