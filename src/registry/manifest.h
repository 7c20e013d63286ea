/*
 * The manifest of a model version, shrike.json: what the version is, where it comes from and the SHA-256 of
 * each of its files. docs/models.md describes every key.
 *
 * Reading takes a file as a stranger might have written it: sizes, types, names and sums are checked, and an
 * error names the key. Keys that are not known are ignored, so that later releases may add some;
 * `format_version` is raised only when older readers would misunderstand. Threads: none shared. Limits:
 * LIMIT_MANIFEST_BYTES, LIMIT_COLUMNS.
 */
#ifndef SHRIKE_REGISTRY_MANIFEST_H
#define SHRIKE_REGISTRY_MANIFEST_H

#include "base/file.h"
#include "registry/registry.h"

#define MANIFEST_FILE "shrike.json"
enum { MANIFEST_FORMAT_VERSION = 1 };

struct manifest_column {
    const char *name, *type;
    unsigned roles; /* enum role */
};

struct manifest_file {
    const char *name; /* of a file in the version's own directory, without a path */
    int64_t bytes;
    const char *sha256;
};

struct manifest {
    struct arena arena;
    const char *name, *created;
    int number;
    const char *model_file, *model_flavor, *model_library_version;
    int positive_class; /* or NO_CLASS */
    const char *plan_file, *plan_sha256, *plan_table;
    const char *rules_file; /* or NULL */
    int n_events, n_features, n_files;
    struct manifest_column *events, *features;
    struct manifest_file *files;
    struct reason_text *reasons;
    int n_reasons;
    double threshold; /* NaN = none */
};

/* Reads and checks the manifest of a version. ret_text (free()) gets the whole file; it may be NULL. */
int manifest_read(const struct place *place, char **ret_text, struct manifest *ret, struct error *error);

/* `place` names the file in messages. */
int manifest_parse(const char *data, size_t size, const char *place, struct manifest *ret,
                   struct error *error);
void manifest_done(struct manifest *manifest);

/* The files of a version as they are entered in its manifest. */
struct manifest_sum {
    const char *name;
    int64_t bytes;
    char sha256[FILE_SHA256_SIZE];
};

/* The manifest's text, pretty-printed, with a newline at its end. */
int manifest_write(const struct version_content *content, int number, int64_t created_us,
                   const struct manifest_sum *sums, int n_sums, struct buffer *ret, struct error *error);

/* The sum entered for a file, or NULL. */
const struct manifest_file *manifest_find_file(const struct manifest *manifest, const char *name);

/* Compares bytes (or a file of the directory) with what was entered. CODE_CORRUPT, CODE_NOT_FOUND. */
int manifest_check_bytes(const struct manifest_file *file, const char *directory, const void *data,
                         size_t size, struct error *error);
int manifest_check_file(const struct manifest_file *file, const char *directory, struct error *error);

#endif
