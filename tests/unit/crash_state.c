/* The bytes and names of the crash disk: what is visible, what is on the disk, what waits in between. */
#include <stdlib.h>
#include <string.h>

#include "unit/crash_inside.h"

enum { SECTOR = 512 };

/* ---- bytes ---- */

void *need(void *block)
{
    if (!block)
        abort(); /* a test without memory proves nothing */
    return block;
}

void resize(struct bytes *bytes, uint64_t size)
{
    if (size > bytes->capacity) {
        bytes->capacity = size * 2;
        bytes->data = need(realloc(bytes->data, bytes->capacity));
    }
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

void copy(struct bytes *to, const struct bytes *from)
{
    resize(to, 0);
    resize(to, from->size);
    if (from->size)
        memcpy(to->data, from->data, from->size);
}

void apply(struct bytes *bytes, const struct change *change)
{
    if (!change->data) {
        resize(bytes, change->size);
        return;
    }
    if (change->offset + change->size > bytes->size)
        resize(bytes, change->offset + change->size);
    memcpy(bytes->data + change->offset, change->data, change->size);
}

void drop_changes(struct node *node)
{
    while (node->first) {
        struct change *next = node->first->next;
        free(node->first->data);
        free(node->first);
        node->first = next;
    }
    node->last = &node->first;
}

void add_change(struct node *node, const void *data, uint64_t offset, uint64_t size)
{
    struct change *change = need(calloc(1, sizeof *change));
    if (data) {
        change->data = need(malloc(size ? size : 1));
        memcpy(change->data, data, size);
    }
    change->offset = offset;
    change->size = size;
    *node->last = change;
    node->last = &change->next;
    apply(&node->cache, change);
}

uint64_t below(struct crash_disk *disk, uint64_t n)
{
    return crash_random(&disk->random) % n;
}

void apply_part(struct crash_disk *disk, struct bytes *bytes, const struct change *change, uint64_t percent)
{
    if (!change->data) {
        if (below(disk, 100) < percent)
            apply(bytes, change);
        return;
    }
    uint64_t end = change->offset + change->size, before = bytes->size;
    for (uint64_t at = change->offset; at < end;) {
        uint64_t sector_end = (at / SECTOR + 1) * SECTOR, to = sector_end < end ? sector_end : end;
        struct change part = {.data = change->data + (at - change->offset), .offset = at, .size = to - at};
        if (below(disk, 100) < percent) {
            apply(bytes, &part);
        } else if (below(disk, 100) < 5 && to <= bytes->size && at >= before) {
            for (uint64_t i = at; i < to; i++)
                bytes->data[i] = (uint8_t)below(disk, 256);
        }
        at = to;
    }
}

/* ---- names ---- */

struct node *new_node(struct crash_disk *disk, bool is_directory)
{
    struct node *node = need(calloc(1, sizeof *node));
    node->last = &node->first;
    node->is_directory = is_directory;
    node->next = disk->nodes;
    disk->nodes = node;
    return node;
}

struct entry *find(struct names *names, const char *path)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->entries[i].node && strcmp(names->entries[i].path, path) == 0)
            return &names->entries[i];
    return NULL;
}

void link_name(struct names *names, const char *path, struct node *node)
{
    struct entry *entry = find(names, path);
    for (size_t i = 0; !entry && i < names->n; i++)
        if (!names->entries[i].node) {
            entry = &names->entries[i];
            free(entry->path);
            entry->path = need(strdup(path));
        }
    if (!entry) {
        if (names->n == names->capacity) {
            names->capacity = names->capacity ? names->capacity * 2 : 64;
            names->entries = need(realloc(names->entries, names->capacity * sizeof *names->entries));
        }
        entry = &names->entries[names->n++];
        entry->path = need(strdup(path));
    }
    entry->node = node;
}

void free_names(struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->entries[i].path);
    free(names->entries);
    *names = (struct names){0};
}

bool is_in(const char *path, const char *directory)
{
    size_t n = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return strncmp(path, directory, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static void name(struct names *names, const struct naming *naming)
{
    if (naming->to)
        link_name(names, naming->to, naming->node);
    struct entry *from = naming->from ? find(names, naming->from) : NULL;
    if (from && from->node == naming->node)
        from->node = NULL;
}

void add_naming(struct crash_disk *disk, const char *from, const char *to, struct node *node,
                enum crash_site site)
{
    struct naming *naming = need(calloc(1, sizeof *naming));
    naming->from = from ? need(strdup(from)) : NULL;
    naming->to = to ? need(strdup(to)) : NULL;
    naming->node = node;
    *disk->last_naming = naming;
    disk->last_naming = &naming->next;
    disk->last_naming_site = site;
    name(&disk->visible, naming);
}

void settle_names(struct crash_disk *disk, const char *directory, uint64_t percent)
{
    struct naming **at = &disk->first_naming;
    while (*at) {
        struct naming *naming = *at;
        if (directory && !is_in(naming->to ? naming->to : naming->from, directory)) {
            at = &naming->next;
            continue;
        }
        *at = naming->next;
        if (below(disk, 100) < percent)
            name(&disk->durable, naming);
        free(naming->from);
        free(naming->to);
        free(naming);
    }
    disk->last_naming = at;
}

static bool has_directory(struct names *names, const char *path)
{
    char parent[256];
    size_t n = (size_t)(strrchr(path, '/') - path);
    memcpy(parent, path, n);
    parent[n] = 0;
    return n == 0 || find(names, parent);
}

void remove_strays(struct names *names)
{
    for (bool again = true; again;) {
        again = false;
        for (size_t i = 0; i < names->n; i++)
            if (names->entries[i].node && !has_directory(names, names->entries[i].path)) {
                names->entries[i].node = NULL;
                again = true;
            }
    }
}
