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
    list_finish(list);
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

void load_list_value(struct load *load, const struct load_file *file)
{
    struct unit unit = {.load = load, .file = file};
    const struct lval *value = file->value;
    struct list *list = new_list(&unit, list_name_of(file->from->name));
    if (value->field_count)
        unit_error(&unit, value->fields[0].line,
                   "list: a list has no key \"%.*s\"; write list { \"a\", \"b\" }",
                   STR_ARG(value->fields[0].key));
    for (size_t i = 0; i < value->item_count && unit.errors == 0; i++) {
        const struct lval *item = &value->items[i];
        struct literal literal;
        struct err err = {0};
        unsigned line = item->line ? item->line : value->line;
        if (!literal_of(item, &literal) || literal.type == LITERAL_NULL) {
            unit_error(&unit, line, "list: expected a string or a number, got %s", value_name(item));
            continue;
        }
        literal.text = arena_dup(load->arena, literal.text);
        if (list_add(list, &literal, &err) != 0)
            unit_error(&unit, line, "list: %s", err.message);
    }
    if (unit.errors)
        list_free(list);
    else
        enter(&unit, list);
}
