/* Entering a version into the registry: what `train` and `models import` have in common. */
#ifndef SHRIKE_CLI_ENTRY_H
#define SHRIKE_CLI_ENTRY_H

#include <limits.h>
#include <yyjson.h>

#include "cli/options.h"
#include "registry/registry.h"

#define ENTRY_OPTION_NAME                                                                  \
    {                                                                                      \
        .name = "name", .kind = OPTION_TEXT, .argument = "NAME", .required = true,         \
        .text = "Name of the model in the registry; the new version gets the next number." \
    }
#define ENTRY_OPTION_RULES                                                                 \
    {                                                                                      \
        .name = "rules", .kind = OPTION_TEXT, .argument = "FILE",                          \
        .text = "A rules.sql that decides over score and features, kept with the version." \
    }
#define ENTRY_OPTION_REASONS                                                                              \
    {                                                                                                     \
        .name = "reasons", .kind = OPTION_LIST, .argument = "FEATURE=TEXT...",                            \
        .text = "Texts for people, shown where a feature is a reason of a score; {value} stands for its " \
                "value, {value:.2} with decimals, {value:.0%} as percent. Best kept in shrike.yaml."      \
    }
#define ENTRY_OPTION_REGISTRY                                                             \
    {                                                                                     \
        .name = "registry", .kind = OPTION_TEXT, .argument = "DIR", .fallback = "models", \
        .text = "Directory of the registry; made where it is missing."                    \
    }
#define ENTRY_OPTION_ALIAS                                                  \
    {                                                                       \
        .name = "alias", .kind = OPTION_TEXT, .argument = "NAME",           \
        .text = "Alias to point at the new version, for instance champion." \
    }

struct entry {
    struct plan *plan;
    char *rules_sql;    /* or NULL */
    char *reasons_json; /* or NULL */
    char directory[PATH_MAX];
    int number;
};

/* Looks at all that does not depend on the model: name, alias, plan, rules, reasons. What is wrong with them
 * is better known before hours of training than after. */
int entry_open(const struct arguments *arguments, struct entry *ret, struct error *error);
void entry_done(struct entry *entry); /* takes a zeroed one */

/* Registers the version, whose name, plan, rules and reasons are filled in here, and points the alias at it.
 */
int entry_add(const struct arguments *arguments, struct entry *entry, struct version_content *content,
              struct error *error);

/* The answer's first members, "name", "version", "directory", "alias"; or the line that says the same. */
void entry_put_json(const struct arguments *arguments, const struct entry *entry, yyjson_mut_doc *document,
                    yyjson_mut_val *root);
void entry_print(const struct arguments *arguments, const struct entry *entry);
/* Prints the document, with its members complete, and frees it. */
int entry_print_json(yyjson_mut_doc *document, struct error *error);

#endif
