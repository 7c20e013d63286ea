/* Where windows stand in the text: the bound tree has no places, the syntax tree has no types. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "feature/compile.h"

struct site {
    yyjson_val *node;
    bool taken;
};

struct sites {
    yyjson_val *list; /* of the SELECT */
    struct site *found;
    size_t n, capacity;
};

static bool collect(struct sites *sites, yyjson_val *node)
{
    bool fine = true;
    if (yyjson_is_obj(node)) {
        if (strcmp(tree_text(node, "class"), "WINDOW") == 0) {
            if (!memory_grow(&sites->found, &sites->capacity, sites->n + 1, sizeof *sites->found))
                return false;
            sites->found[sites->n++] = (struct site){.node = node};
        }
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; fine && (key = yyjson_obj_iter_next(&iter));)
            fine = collect(sites, yyjson_obj_iter_get_val(key));
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; fine && (item = yyjson_arr_iter_next(&iter));)
            fine = collect(sites, item);
    }
    return fine;
}

int sites_new(yyjson_val *select, struct sites **ret, struct error *error)
{
    struct sites *sites = memory_new(1, sizeof *sites);
    if (sites)
        sites->list = yyjson_obj_get(select, "select_list");
    if (!sites || !collect(sites, sites->list)) {
        sites_free(sites);
        return error_set(error, CODE_MEMORY, "no memory for the windows' places");
    }
    *ret = sites;
    return OK;
}

void sites_free(struct sites *sites)
{
    if (sites)
        free(sites->found);
    free(sites);
}

static bool has_location(yyjson_val *node, uint64_t location)
{
    bool found = false;
    if (yyjson_is_obj(node)) {
        yyjson_val *own = yyjson_obj_get(node, "query_location");
        if (yyjson_is_uint(own) && yyjson_get_uint(own) == location)
            return true;
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; !found && (key = yyjson_obj_iter_next(&iter));)
            found = has_location(yyjson_obj_iter_get_val(key), location);
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; !found && (item = yyjson_arr_iter_next(&iter));)
            found = has_location(item, location);
    }
    return found;
}

static bool same_text(yyjson_val *node, yyjson_val *bound, const char *key)
{
    return strcmp(tree_text(node, key), tree_text(bound, key)) == 0;
}

static bool same_flag(yyjson_val *node, yyjson_val *bound, const char *key)
{
    return yyjson_get_bool(yyjson_obj_get(node, key)) == yyjson_get_bool(yyjson_obj_get(bound, key));
}

/* Could the syntax tree's window be the bound one? Literals and operators keep their place when they are
 * bound, so one that both have tells windows of one shape apart. */
static bool fits(yyjson_val *node, yyjson_val *bound)
{
    const char *name = tree_text(bound, "name");
    uint64_t location = parse_location(bound);
    return same_text(node, bound, "type") &&
           (!*name || strncasecmp(tree_text(node, "function_name"), name, 3) == 0) &&
           same_text(node, bound, "start") && same_text(node, bound, "end") &&
           same_text(node, bound, "exclude_clause") && same_flag(node, bound, "distinct") &&
           same_flag(node, bound, "ignore_nulls") && (location == UINT64_MAX || has_location(node, location));
}

yyjson_val *sites_take(struct sites *sites, yyjson_val *bound)
{
    struct site *taken = NULL;
    for (size_t i = 0; i < sites->n; i++) {
        struct site *site = &sites->found[i];
        if (!fits(site->node, bound))
            continue;
        if (!site->taken) {
            site->taken = true;
            return site->node;
        }
        taken = taken ? taken : site; /* written once, used by its alias too */
    }
    return taken ? taken->node : sites->list;
}
