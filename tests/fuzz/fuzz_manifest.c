/*
 * Hostile manifests: whatever the bytes, manifest_parse answers, keeps its promises about what it let through
 * and leaves its output untouched where it refuses.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "registry/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct manifest *manifest)
{
    require(manifest->n_features > 0 && manifest->n_features <= LIMIT_COLUMNS);
    require(manifest->n_events > 0 && manifest->n_events <= LIMIT_COLUMNS);
    require(manifest->n_files > 0 && manifest->n_files <= LIMIT_VERSION_FILES);
    require(manifest_find_file(manifest, manifest->model_file) &&
            manifest_find_file(manifest, manifest->plan_file));
    require(!manifest->rules_file || manifest_find_file(manifest, manifest->rules_file));
    require(!(manifest->threshold < 0 || manifest->threshold > 1));
    for (int i = 0; i < manifest->n_files; i++) {
        const struct manifest_file *file = &manifest->files[i];
        require(!strchr(file->name, '/') && file->name[0] != '.' && strlen(file->sha256) == 64 &&
                file->bytes >= 0);
        require(strcmp(file->name, MANIFEST_FILE) && strlen(file->name) <= LIMIT_NAME);
    }
    require(manifest->n_reasons <= LIMIT_COLUMNS);
    for (int i = 0; i < manifest->n_reasons; i++)
        require(manifest->reasons[i].feature && manifest->reasons[i].text);
    for (int i = 0; i < manifest->n_features; i++)
        require(manifest->features[i].name && manifest->features[i].type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest = {.number = -1};
    struct error error = {0};
    if (manifest_parse((const char *)data, size, "shrike.json", &manifest, &error) == OK) {
        check(&manifest);
        manifest_done(&manifest);
    } else {
        require(manifest.number == -1 && error.code != OK && error.message[0]);
    }
    return 0;
}
