/* Names of models and aliases, stages, and the models:/ form: what registry.c and place.c both need to know.
 */
#ifndef SHRIKE_REGISTRY_NAMES_H
#define SHRIKE_REGISTRY_NAMES_H

#include "base/error.h"
#include "base/limits.h"

/* The file of the registry; a model may not be called so, since it would lie at the same path. */
#define REGISTRY_FILE "registry.db"
#define NAME_PREFIX "models:/"

/* `what` is "model" or "alias", for the message. */
int name_check(const char *what, const char *name, struct error *error);
int alias_check(const char *alias, struct error *error);

/* "production" -> "Production"; NULL where it is no stage. */
const char *stage_find(const char *text);

enum reference_kind { REFERENCE_NUMBER, REFERENCE_ALIAS, REFERENCE_STAGE, REFERENCE_LATEST };
struct reference {
    char name[LIMIT_NAME + 1];
    enum reference_kind kind;
    int number;                 /* NUMBER */
    char alias[LIMIT_NAME + 1]; /* ALIAS */
    const char *stage;          /* STAGE */
};

/* Takes a text that begins with NAME_PREFIX apart. */
int reference_parse(const char *text, struct reference *ret, struct error *error);

#endif
