#include "cli/entry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "registry/names.h"
#include "score/reasons.h"

static int read_rules(const char *path, struct entry *entry, struct error *error)
{
    struct rules *rules;
    size_t size;
    if (!path)
        return OK;
    int code = file_read(path, LIMIT_SQL, &entry->rules_sql, &size, error);
    if (!code)
        code = rules_compile(entry->rules_sql, size, path, entry->plan, &rules, error);
    if (!code)
        rules_unref(rules);
    return code;
}

/* FEATURE=TEXT, taken apart at its first '='. */
static int take_reason(const char *given, struct arena *arena, struct reason_text *ret, struct error *error)
{
    const char *equals = strchr(given, '=');
    if (!equals || equals == given)
        return error_set(error, CODE_USAGE, "--reasons %.80s: expected FEATURE=TEXT", given);
    ret->feature = arena_text(arena, given, (size_t)(equals - given));
    ret->text = equals + 1;
    return ret->feature ? OK : error_set(error, CODE_MEMORY, "no memory for the reasons");
}

static char *reasons_json(const struct reason_text *texts, int n)
{
    yyjson_mut_doc *document = yyjson_mut_doc_new(NULL);
    yyjson_mut_val *root = yyjson_mut_obj(document);
    yyjson_mut_doc_set_root(document, root);
    for (int i = 0; i < n; i++)
        yyjson_mut_obj_add(root, yyjson_mut_str(document, texts[i].feature),
                           yyjson_mut_str(document, texts[i].text));
    char *json = yyjson_mut_write(document, YYJSON_WRITE_NOFLAG, NULL);
    yyjson_mut_doc_free(document);
    return json;
}

static int read_reasons(const struct arguments *arguments, struct entry *entry, struct error *error)
{
    int n, code = OK;
    struct arena arena = {0};
    struct reasons *reasons = NULL;
    const char *const *list = argument_list(arguments, "reasons", &n);
    struct reason_text *texts = arena_new(&arena, (size_t)n + 1, sizeof *texts);
    if (!texts)
        return error_set(error, CODE_MEMORY, "no memory for the reasons");
    for (int i = 0; i < n && !code; i++)
        code = take_reason(list[i], &arena, &texts[i], error);
    if (!code)
        code = reasons_new(texts, n, plan_features(entry->plan), &reasons, error);
    if (!code && n && !(entry->reasons_json = reasons_json(texts, n)))
        code = error_set(error, CODE_INVALID, "--reasons: a text is not UTF-8");
    reasons_free(reasons);
    arena_done(&arena);
    return code;
}

int entry_open(const struct arguments *arguments, struct entry *ret, struct error *error)
{
    const char *alias = argument_text(arguments, "alias");
    struct entry entry = {0};
    int code = name_check("model", argument_text(arguments, "name"), error);
    if (!code && alias)
        code = alias_check(alias, error);
    if (!code)
        code = plan_load(argument_text(arguments, "plan"), &entry.plan, error);
    if (!code)
        code = read_rules(argument_text(arguments, "rules"), &entry, error);
    if (!code)
        code = read_reasons(arguments, &entry, error);
    if (code)
        entry_done(&entry);
    else
        *ret = entry;
    return code;
}

void entry_done(struct entry *entry)
{
    plan_unref(entry->plan);
    free(entry->rules_sql);
    free(entry->reasons_json);
    *entry = (struct entry){0};
}

int entry_add(const struct arguments *arguments, struct entry *entry, struct version_content *content,
              struct error *error)
{
    const char *alias = argument_text(arguments, "alias");
    struct registry *registry;
    content->name = argument_text(arguments, "name");
    content->plan = entry->plan;
    content->rules_sql = entry->rules_sql;
    content->reasons_json = entry->reasons_json;
    int code = registry_open(argument_text(arguments, "registry"), true, &registry, error);
    if (code)
        return code;
    code = registry_add(registry, content, entry->directory, sizeof entry->directory, &entry->number, error);
    if (!code && alias)
        code = registry_set_alias(registry, content->name, entry->number, alias, error);
    registry_close(registry);
    return code;
}

void entry_put_json(const struct arguments *arguments, const struct entry *entry, yyjson_mut_doc *document,
                    yyjson_mut_val *root)
{
    yyjson_mut_obj_add_str(document, root, "name", argument_text(arguments, "name"));
    yyjson_mut_obj_add_int(document, root, "version", entry->number);
    yyjson_mut_obj_add_str(document, root, "directory", entry->directory);
    if (argument_text(arguments, "alias"))
        yyjson_mut_obj_add_str(document, root, "alias", argument_text(arguments, "alias"));
}

void entry_print(const struct arguments *arguments, const struct entry *entry)
{
    const char *alias = argument_text(arguments, "alias");
    printf("%s version %d in %s%s%s\n", argument_text(arguments, "name"), entry->number, entry->directory,
           alias ? ", alias " : "", alias ? alias : "");
}

int entry_print_json(yyjson_mut_doc *document, struct error *error)
{
    char *text = yyjson_mut_write(document, YYJSON_WRITE_PRETTY_TWO_SPACES, NULL);
    yyjson_mut_doc_free(document);
    if (!text)
        return error_set(error, CODE_MEMORY, "no memory to print the answer");
    puts(text);
    free(text);
    return OK;
}
