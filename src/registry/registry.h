/*
 * The embedded registry: model versions in a directory, names, aliases and stages in a SQLite file beside
 * them.
 *
 *   models/registry.db              versions, aliases, stages
 *   models/NAME/VERSION/model.json  (or model.ubj, .txt, .onnx) and features.sql, rules.sql (optional),
 * shrike.json (manifest), MLmodel
 *
 * A version is immutable once registered: it is written under a staging name, flushed, renamed, then entered.
 * Numbers count from 1 per name and are never given twice. A name is letters, digits, '.', '_' and '-',
 * begins with a letter or digit and has at most LIMIT_NAME bytes; the same holds for an alias, which is not
 * "latest" either.
 *
 * Threads: one struct registry per thread. Several processes may use one directory: SQLite serialises them,
 * with a rollback journal, which network file systems can carry too (a write-ahead log needs shared memory).
 */
#ifndef SHRIKE_REGISTRY_REGISTRY_H
#define SHRIKE_REGISTRY_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/memory.h"
#include "feature/plan.h"
#include "model/model.h"
#include "score/reasons.h"
#include "score/rules.h"

struct registry;
/* CODE_NOT_FOUND where there is none and `create` is false. */
int registry_open(const char *directory, bool create, struct registry **ret, struct error *error);
void registry_close(struct registry *registry); /* takes NULL */

/* Of a positive class: the model has one score. */
enum { NO_CLASS = -1 };

/* What goes into a new version. JSON fragments are texts of one JSON object each; NULL is an empty one. */
struct version_content {
    const char *name;
    struct plan *plan;
    const char *rules_sql;  /* or NULL */
    const char *model_data; /* the file that the training library wrote */
    size_t model_size;
    const struct model_format
        *model_format;           /* of it: what it is called in the version, how MLflow loads it */
    const char *library_version; /* of the library that trained it: "1.7.4" */
    int positive_class;          /* of a model of several classes the one that is scored; else NO_CLASS */
    double threshold;            /* NaN = none */
    const char *training_json;   /* spans, split, parameters, seed, rows, fingerprint */
    const char *metrics_json;
    const char *profile_json; /* reference profile of every feature */
    const char *reasons_json; /* a text per feature, as reasons_new takes it */
};
/* Registers the next version of the name; ret_directory gets its path, ret_number its number. */
int registry_add(struct registry *registry, const struct version_content *content, char *ret_directory,
                 size_t ret_directory_size, int *ret_number, struct error *error);

/* One registered version. Texts belong to the listing. */
struct registry_entry {
    const char *name, *directory;
    int number;
    const char *stage;   /* "None", "Staging", "Production", "Archived" */
    const char *aliases; /* "champion, canary", sorted, or "" */
    int64_t created_us;
    const char *manifest_sha256;
};
struct registry_listing {
    struct arena arena;
    int n;
    struct registry_entry *entries; /* by name, then number */
};
/* All versions, or those of one name (CODE_NOT_FOUND lists the names that exist). */
int registry_list(struct registry *registry, const char *name, struct registry_listing *ret,
                  struct error *error);
void registry_listing_done(struct registry_listing *listing);

/* Points an alias at a version, moving it where it exists; at no version. A missing alias is CODE_NOT_FOUND.
 */
int registry_set_alias(struct registry *registry, const char *name, int number, const char *alias,
                       struct error *error);
int registry_remove_alias(struct registry *registry, const char *name, int number, const char *alias,
                          struct error *error);
/* Stage names are taken in any case: "production" is Production. */
int registry_set_stage(struct registry *registry, const char *name, int number, const char *stage,
                       struct error *error);
/* Removes a version and its directory. CODE_CONFLICT while an alias or Production points at it, unless
 * `force`. */
int registry_remove(struct registry *registry, const char *name, int number, bool force, struct error *error);

/* Where a model lies. name "" and number 0 where a directory was given itself; manifest_sha256 "" there too.
 */
struct place {
    char *directory, *name;
    int number;
    char manifest_sha256[65];
};
/* `model`: a directory, models:/NAME/VERSION, models:/NAME@alias, models:/NAME/Stage (its newest version) or
 * models:/NAME/latest. An unknown one is CODE_NOT_FOUND, and the message lists what exists. */
int place_find(const char *model, const char *registry_directory, struct place *ret, struct error *error);
void place_done(struct place *place); /* takes a zeroed one */

/* A version opened for scoring: checksums verified, plan compiled, model loaded, its features those of the
 * plan. */
struct version {
    char *directory, *name; /* name "" where the manifest has none */
    int number;
    struct plan *plan;
    struct model *model;
    struct rules *rules;     /* or NULL */
    struct reasons *reasons; /* texts of the reasons that have one */
    double threshold;        /* NaN = none */
    char *manifest;          /* shrike.json, whole */
};
/* `model` as in place_find. A file that is not what was registered is CODE_CORRUPT: the message has its name,
 * the expected and the found checksum. */
int version_open(const char *model, const char *registry_directory, struct version *ret, struct error *error);
void version_done(struct version *version); /* takes a zeroed one */

#endif
