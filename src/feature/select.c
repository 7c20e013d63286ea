/* The SELECT of a plan as DuckDB reads it: its syntax tree, which knows places, and its bound tree, which
 * knows types. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "feature/findings.h"
#include "feature/parse.h"

void parse_place(const struct parsed *parsed, uint64_t position, struct error *error)
{
    if (!error)
        return;
    size_t length = parsed->select_sql ? strlen(parsed->select_sql) : 0;
    if (position > length) {
        error_at(error, parsed->name, 0, 0);
        return;
    }
    int64_t line = 1, column = 1;
    for (size_t i = 0; i < parsed->select_offset + position; i++) {
        column += ((unsigned char)parsed->sql[i] & 0xc0) != 0x80; /* characters of UTF-8, not bytes */
        if (parsed->sql[i] == '\n') {
            line++;
            column = 1;
        }
    }
    error_at(error, parsed->name, line, column);
}

uint64_t parse_location(yyjson_val *node)
{
    if (yyjson_is_obj(node)) {
        yyjson_val *own = yyjson_obj_get(node, "query_location");
        if (own && yyjson_get_uint(own) != UINT64_MAX && yyjson_is_uint(own))
            return yyjson_get_uint(own);
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; (key = yyjson_obj_iter_next(&iter));) {
            uint64_t found = parse_location(yyjson_obj_iter_get_val(key));
            if (found != UINT64_MAX)
                return found;
        }
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; (item = yyjson_arr_iter_next(&iter));) {
            uint64_t found = parse_location(item);
            if (found != UINT64_MAX)
                return found;
        }
    }
    return UINT64_MAX;
}

uint64_t parse_find_call(yyjson_val *node, const char *name, int *n)
{
    uint64_t found = UINT64_MAX;
    if (yyjson_is_obj(node)) {
        const char *own = yyjson_get_str(yyjson_obj_get(node, "function_name"));
        if (own && strcasecmp(own, name) == 0 && (*n)-- == 0)
            return parse_location(node);
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; found == UINT64_MAX && (key = yyjson_obj_iter_next(&iter));)
            found = parse_find_call(yyjson_obj_iter_get_val(key), name, n);
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; found == UINT64_MAX && (item = yyjson_arr_iter_next(&iter));)
            found = parse_find_call(item, name, n);
    }
    return found;
}

/* The definition WITH gives a name, anywhere in the statement. */
static yyjson_val *find_cte(yyjson_val *node, const char *name)
{
    yyjson_val *found = NULL;
    if (yyjson_is_obj(node)) {
        if (strcasecmp(tree_text(node, "key"), name) == 0)
            return yyjson_obj_get(yyjson_obj_get(yyjson_obj_get(node, "value"), "query"), "node");
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; !found && (key = yyjson_obj_iter_next(&iter));)
            found = find_cte(yyjson_obj_iter_get_val(key), name);
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; !found && (item = yyjson_arr_iter_next(&iter));)
            found = find_cte(item, name);
    }
    return found;
}

yyjson_val *parse_inner_select(const struct parsed *parsed, yyjson_val *select)
{
    yyjson_val *from = yyjson_obj_get(select, "from_table");
    yyjson_val *subquery = yyjson_obj_get(from, "subquery");
    return subquery ? yyjson_obj_get(subquery, "node")
                    : find_cte(yyjson_doc_get_root(parsed->syntax), tree_text(from, "table_name"));
}

static uint64_t start_of_select(const struct parsed *parsed)
{
    return strspn(parsed->select_sql, " \t\r\n");
}

/* An error that DuckDB reports as JSON, with its position. Its list of candidates is left out: it can be
 * long. */
static int serialized_error(const struct parsed *parsed, yyjson_val *root, struct error *error)
{
    const char *message = yyjson_get_str(yyjson_obj_get(root, "error_message"));
    const char *position = yyjson_get_str(yyjson_obj_get(root, "position"));
    char line[512];
    snprintf(line, sizeof line, "%s", message ? message : "the statement cannot be understood");
    char *cut = strstr(line, "\n\tCandidate functions");
    if (cut)
        *cut = 0;
    for (char *p = line; *p; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    if (strstr(line, "Only SELECT statements"))
        snprintf(line, sizeof line, "a plan ends with a SELECT, whose columns are the features");
    error_set(error, CODE_INVALID, "%s", line);
    parse_place(parsed, position ? strtoull(position, NULL, 10) : start_of_select(parsed), error);
    return CODE_INVALID;
}

/* *ret_position: where in the SELECT DuckDB found an error, UINT64_MAX where it does not say. */
static int serialize(struct parsed *parsed, const char *call, yyjson_doc **ret, uint64_t *ret_position,
                     struct error *error)
{
    char *json = NULL;
    const char *parameter = parsed->select_sql;
    *ret_position = UINT64_MAX;
    int rc = duck_value(&parsed->duck, call, &parameter, 1, &json, error);
    if (rc != OK) {
        error_at(error, parsed->name, 0, 0);
        return rc;
    }
    yyjson_doc *doc = json ? yyjson_read(json, strlen(json), YYJSON_READ_ALLOW_INF_AND_NAN) : NULL;
    free(json);
    if (!doc)
        return error_set(error, CODE_INTERNAL, "DuckDB's serialised statement cannot be read");
    yyjson_val *root = yyjson_doc_get_root(doc);
    if (yyjson_get_bool(yyjson_obj_get(root, "error"))) {
        const char *position = yyjson_get_str(yyjson_obj_get(root, "position"));
        *ret_position = position ? strtoull(position, NULL, 10) : UINT64_MAX;
        rc = serialized_error(parsed, root, error);
        yyjson_doc_free(doc);
        return rc;
    }
    yyjson_doc_free(*ret);
    *ret = doc;
    return OK;
}

/* $1 or ?, which DuckDB 1.5 cannot bind here and answers with an error of its own making. */
static yyjson_val *find_parameter(yyjson_val *node)
{
    yyjson_val *found = NULL;
    if (yyjson_is_obj(node)) {
        const char *class = yyjson_get_str(yyjson_obj_get(node, "class"));
        if (class && strcmp(class, "PARAMETER") == 0)
            return node;
        yyjson_obj_iter iter = yyjson_obj_iter_with(node);
        for (yyjson_val *key; !found && (key = yyjson_obj_iter_next(&iter));)
            found = find_parameter(yyjson_obj_iter_get_val(key));
    } else if (yyjson_is_arr(node)) {
        yyjson_arr_iter iter = yyjson_arr_iter_with(node);
        for (yyjson_val *item; !found && (item = yyjson_arr_iter_next(&iter));)
            found = find_parameter(item);
    }
    return found;
}

/* Both trees of the SELECT as it is now. *ret_sql: DuckDB could read it, if not bind it. */
static int serialize_both(struct parsed *parsed, bool *ret_sql, uint64_t *ret_position, struct error *error)
{
    int rc =
        serialize(parsed, "SELECT json_serialize_sql($1::VARCHAR)", &parsed->syntax, ret_position, error);
    *ret_sql = rc == OK;
    if (rc != OK)
        return rc;
    yyjson_val *parameter = find_parameter(yyjson_doc_get_root(parsed->syntax));
    if (parameter) {
        rc = error_set(error, CODE_UNSUPPORTED, "a plan has no parameters; write the value itself");
        *ret_position = parse_location(parameter);
        parse_place(parsed, *ret_position == UINT64_MAX ? start_of_select(parsed) : *ret_position, error);
        return rc;
    }
    return serialize(parsed, "SELECT json_serialize_plan($1::VARCHAR, skip_null := true)", &parsed->bound,
                     ret_position, error);
}

/* Leaves out the item at a position. False where that cannot be done, or has been. */
static bool leave_out(struct parsed *parsed, uint64_t position, size_t *capacity)
{
    struct blank blank;
    if (position == UINT64_MAX || parse_is_blank(parsed, position) ||
        !memory_grow(&parsed->blanks, capacity, parsed->n_blanks + 1, sizeof *parsed->blanks) ||
        !blank_item(parsed->select_sql, position, &blank))
        return false;
    parsed->blanks[parsed->n_blanks++] = blank;
    return true;
}

/* Does the item that was left out last use one from before? Then its error may be of our making. */
static bool follows(const struct parsed *parsed)
{
    const struct blank *last = &parsed->blanks[parsed->n_blanks - 1];
    bool found = false;
    for (const struct blank *other = parsed->blanks; other < last; other++)
        found |= blank_mentions(parsed->sql + parsed->select_offset, last, other);
    return found;
}

/* DuckDB stops at the first item that it cannot bind. It is noted and left out, so that the others are looked
 * at, too. */
static int bind_items(struct parsed *parsed, struct plan_findings *findings, struct error *error)
{
    size_t capacity = 0;
    for (;;) {
        uint64_t position;
        bool sql;
        struct error found = {0};
        int rc = serialize_both(parsed, &sql, &position, &found);
        if (rc == OK)
            return OK;
        if (!sql && parsed->n_blanks)
            return findings_first(findings, error); /* no SQL without those items: they are enough */
        bool again = sql && findings->n < LIMIT_FINDINGS && leave_out(parsed, position, &capacity);
        bool noted = (again && follows(parsed)) || findings_add(findings, &found);
        if (!again || !noted) {
            *error = found;
            return rc;
        }
    }
}

bool parse_is_blank(const struct parsed *parsed, uint64_t position)
{
    for (size_t i = 0; i < parsed->n_blanks; i++)
        if (position >= parsed->blanks[i].from && position < parsed->blanks[i].to)
            return true;
    return false;
}

int parse_select(struct parsed *parsed, struct plan_findings *findings, struct error *error)
{
    int rc = bind_items(parsed, findings, error);
    if (rc != OK)
        return rc;
    yyjson_val *statements = yyjson_obj_get(yyjson_doc_get_root(parsed->syntax), "statements");
    parsed->select = yyjson_obj_get(yyjson_arr_get(statements, 0), "node");
    parsed->plan = yyjson_arr_get(yyjson_obj_get(yyjson_doc_get_root(parsed->bound), "plans"), 0);
    if (!yyjson_obj_get(parsed->select, "select_list") || !parsed->plan) {
        error_set(error, CODE_UNSUPPORTED,
                  "the last statement must be a plain SELECT ... FROM (no UNION, no VALUES)");
        parse_place(parsed, start_of_select(parsed), error);
        return CODE_UNSUPPORTED;
    }
    return OK;
}
