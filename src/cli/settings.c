/*
 * shrike.yaml: a mapping of option names to values, for every verb that has the option, and of verbs to
 * mappings of their own, which win over the common ones:
 *
 *   registry: models
 *   train:
 *     label: is_fraud
 *     param: {max_depth: 6, eta: 0.3}      # a mapping gives a list of key=value
 *   features:
 *     in: [a.parquet, b.parquet]
 *
 * Every key is checked, those of other verbs too, so that a misspelt setting is an error and not silence.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "cli/parse.h"

struct settings {
    struct arguments *arguments;
    const char *path;
    yaml_document_t document;
};

static int complain(const struct settings *settings, const yaml_node_t *node, struct error *error)
{
    error_at(error, settings->path, (int64_t)node->start_mark.line + 1, (int64_t)node->start_mark.column + 1);
    return CODE_USAGE;
}

static const char *scalar(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static bool is_null(const yaml_node_t *node)
{
    const char *text = scalar(node);
    return text && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*text || strcmp(text, "null") == 0 || strcmp(text, "~") == 0);
}

static int add(struct settings *settings, int option, const yaml_node_t *node, const char *text,
               struct error *error)
{
    char place[128];
    snprintf(place, sizeof place, "%s:%zu", settings->path, node->start_mark.line + 1);
    return arguments_add(settings->arguments, option, ORIGIN_SETTINGS, text, place, error);
}

static int take_sequence(struct settings *settings, int option, const yaml_node_t *node, struct error *error)
{
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top;
         item++) {
        const yaml_node_t *element = yaml_document_get_node(&settings->document, *item);
        if (!scalar(element)) {
            error_set(error, CODE_USAGE, "expected a plain value in this list");
            return complain(settings, node, error);
        }
        int code = add(settings, option, element, scalar(element), error);
        if (code)
            return code;
    }
    return OK;
}

static int take_mapping(struct settings *settings, int option, const yaml_node_t *node, struct error *error)
{
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        const yaml_node_t *key = yaml_document_get_node(&settings->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&settings->document, pair->value);
        if (!scalar(key) || !scalar(value)) {
            error_set(error, CODE_USAGE, "expected plain keys and values in this mapping");
            return complain(settings, node, error);
        }
        char *text = arena_format(&settings->arguments->arena, "%s=%s", scalar(key), scalar(value));
        if (!text)
            return error_set(error, CODE_MEMORY, "no memory for %s", settings->path);
        int code = add(settings, option, value, text, error);
        if (code)
            return code;
    }
    return OK;
}

/* The value of an option: what is there already (the common value of all verbs) is replaced. */
static int take_option(struct settings *settings, int option, const yaml_node_t *node, struct error *error)
{
    const struct option *info = &settings->arguments->command->options[option];
    struct candidate *candidate = &settings->arguments->values[option].candidates[ORIGIN_SETTINGS];
    candidate->n = 0;
    candidate->place = NULL;
    if (is_null(node))
        return OK;
    if (scalar(node))
        return add(settings, option, node, scalar(node), error);
    if (info->kind == OPTION_LIST && node->type == YAML_SEQUENCE_NODE)
        return take_sequence(settings, option, node, error);
    if (info->kind == OPTION_LIST && node->type == YAML_MAPPING_NODE)
        return take_mapping(settings, option, node, error);
    error_set(error, CODE_USAGE, "'%s' takes %s", info->name,
              info->kind == OPTION_LIST ? "a list" : "one value");
    return complain(settings, node, error);
}

static const struct command *verb_named(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static bool any_verb_has(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (option_find(commands[i], name, strlen(name)) >= 0)
            return true;
    return false;
}

static int unknown_key(const struct settings *settings, const yaml_node_t *key, const struct command *verb,
                       struct error *error)
{
    char hint[128];
    struct suggestion suggestion;
    suggestion_start(&suggestion, scalar(key));
    for (int i = 0; commands[i]; i++) {
        if (!verb)
            suggestion_offer(&suggestion, commands[i]->name);
        for (int j = 0; (!verb || verb == commands[i]) && j < option_count(commands[i]); j++)
            suggestion_offer(&suggestion, commands[i]->options[j].name);
    }
    suggestion_text(&suggestion, hint, sizeof hint);
    if (verb)
        error_set(error, CODE_USAGE, "'shrike %s' has no option '%s'%s", verb->name, scalar(key), hint);
    else
        error_set(error, CODE_USAGE, "'%s' is neither an option nor a verb%s", scalar(key), hint);
    return complain(settings, key, error);
}

/* The mapping of one verb. Keys are checked for every verb, values taken for the one that runs. */
static int take_verb(struct settings *settings, const struct command *verb, const yaml_node_t *node,
                     struct error *error)
{
    if (is_null(node))
        return OK;
    if (node->type != YAML_MAPPING_NODE) {
        error_set(error, CODE_USAGE, "'%s' is a verb; expected a mapping of its options", verb->name);
        return complain(settings, node, error);
    }
    int code = OK;
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top && !code; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&settings->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&settings->document, pair->value);
        int option = scalar(key) ? option_find(verb, scalar(key), strlen(scalar(key))) : -1;
        if (!scalar(key)) {
            error_set(error, CODE_USAGE, "expected the name of an option");
            code = complain(settings, key, error);
        } else if (option < 0) {
            code = unknown_key(settings, key, verb, error);
        } else if (verb == settings->arguments->command) {
            code = take_option(settings, option, value, error);
        }
    }
    return code;
}

/* First pass: options common to all verbs; second pass: the verbs' own, which replace them. */
static int take_root(struct settings *settings, const yaml_node_t *root, bool verbs, struct error *error)
{
    const struct command *command = settings->arguments->command;
    int code = OK;
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top && !code; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&settings->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(&settings->document, pair->value);
        if (!scalar(key)) {
            error_set(error, CODE_USAGE, "expected the name of an option or a verb");
            return complain(settings, key, error);
        }
        const struct command *verb = verb_named(scalar(key));
        int option = option_find(command, scalar(key), strlen(scalar(key)));
        if (verb && verbs && (value->type != YAML_SCALAR_NODE || !any_verb_has(scalar(key))))
            code = take_verb(settings, verb, value, error);
        else if (!verbs && option >= 0 && !(verb && value->type == YAML_MAPPING_NODE))
            code = take_option(settings, option, value, error);
        else if (!verb && !any_verb_has(scalar(key)))
            code = unknown_key(settings, key, NULL, error);
    }
    return code;
}

static int take_document(struct settings *settings, struct error *error)
{
    const yaml_node_t *root = yaml_document_get_root_node(&settings->document);
    if (!root || is_null(root))
        return OK;
    if (root->type != YAML_MAPPING_NODE) {
        error_set(error, CODE_USAGE, "expected a mapping of options and verbs");
        return complain(settings, root, error);
    }
    int code = take_root(settings, root, false, error);
    return code ? code : take_root(settings, root, true, error);
}

int settings_read(struct arguments *arguments, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return errno == ENOENT ? OK : error_set_errno(error, errno, "cannot open %s", path);
    struct settings settings = {.arguments = arguments, .path = path};
    yaml_parser_t parser;
    int code;
    if (!yaml_parser_initialize(&parser)) {
        code = error_set(error, CODE_MEMORY, "no memory to read %s", path);
    } else {
        yaml_parser_set_input_file(&parser, file);
        if (yaml_parser_load(&parser, &settings.document)) {
            code = take_document(&settings, error);
            yaml_document_delete(&settings.document);
        } else {
            code = error_set(error, CODE_USAGE, "not YAML: %s",
                             parser.problem ? parser.problem : "cannot be read");
            error_at(error, path, (int64_t)parser.problem_mark.line + 1,
                     (int64_t)parser.problem_mark.column + 1);
        }
        yaml_parser_delete(&parser);
    }
    fclose(file);
    return code;
}
