#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "registry/names.h"
#include "registry/registry.h"

static int find_entry(const struct registry_listing *listing, const struct reference *reference)
{
    /* The newest of several: the listing is by number. */
    for (int i = listing->n; i-- > 0;) {
        const struct registry_entry *entry = &listing->entries[i];
        if (reference->kind == REFERENCE_LATEST ||
            (reference->kind == REFERENCE_NUMBER && entry->number == reference->number) ||
            (reference->kind == REFERENCE_STAGE && !strcmp(entry->stage, reference->stage)))
            return i;
        if (reference->kind != REFERENCE_ALIAS)
            continue;
        size_t size = strlen(reference->alias);
        for (const char *alias = entry->aliases; *alias;) {
            size_t length = strcspn(alias, ",");
            if (length == size && !memcmp(alias, reference->alias, size))
                return i;
            alias += length + (alias[length] ? 2 : 0);
        }
    }
    return -1;
}

static int not_there(const char *model, const struct registry_listing *listing, struct error *error)
{
    struct buffer known;
    buffer_init(&known, 1024);
    for (int i = listing->n; i-- > 0 && known.size < 600;) {
        const struct registry_entry *entry = &listing->entries[i];
        buffer_format(&known, "%s%d", known.size ? ", " : "", entry->number);
        if (strcmp(entry->stage, "None"))
            buffer_format(&known, " %s", entry->stage);
        if (entry->aliases[0])
            buffer_format(&known, " (@%s)", entry->aliases);
    }
    int code = error_set(error, CODE_NOT_FOUND, "%s does not exist; versions of '%s': %s", model,
                         listing->entries[0].name, known.data ? known.data : "");
    buffer_done(&known);
    return code;
}

static int fill(struct place *place, const char *directory, const char *name, int number, const char *sum,
                struct error *error)
{
    struct place found = {.directory = memory_text(directory, strlen(directory)),
                          .name = memory_text(name, strlen(name)),
                          .number = number};
    if (!found.directory || !found.name) {
        place_done(&found);
        return error_set(error, CODE_MEMORY, "no memory to find a model");
    }
    snprintf(found.manifest_sha256, sizeof found.manifest_sha256, "%s", sum);
    *place = found;
    return OK;
}

static int find_registered(const char *model, const char *registry_directory, struct place *ret,
                           struct error *error)
{
    struct reference reference;
    int code = reference_parse(model, &reference, error);
    if (code)
        return code;
    struct registry *registry;
    code = registry_open(registry_directory, false, &registry, error);
    if (code)
        return code;
    struct registry_listing listing;
    code = registry_list(registry, reference.name, &listing, error);
    registry_close(registry);
    if (code)
        return code;
    int found = find_entry(&listing, &reference);
    if (found < 0) {
        code = not_there(model, &listing, error);
    } else {
        const struct registry_entry *entry = &listing.entries[found];
        code = fill(ret, entry->directory, entry->name, entry->number, entry->manifest_sha256, error);
    }
    registry_listing_done(&listing);
    return code;
}

int place_find(const char *model, const char *registry_directory, struct place *ret, struct error *error)
{
    if (!strncmp(model, NAME_PREFIX, strlen(NAME_PREFIX)))
        return find_registered(model, registry_directory, ret, error);
    struct stat status;
    if (stat(model, &status))
        return error_set_errno(error, errno,
                               "no model at %s (expected a directory, or models:/NAME/VERSION, "
                               "models:/NAME@ALIAS, models:/NAME/STAGE, models:/NAME/latest)",
                               model);
    if (!S_ISDIR(status.st_mode))
        return error_set(error, CODE_INVALID, "%s is not a directory: expected that of a model version",
                         model);
    return fill(ret, model, "", 0, "", error);
}

void place_done(struct place *place)
{
    free(place->directory);
    free(place->name);
    *place = (struct place){0};
}
