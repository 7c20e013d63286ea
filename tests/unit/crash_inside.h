/* What the files of the crash disk share. The lock of the disk guards all of it. */
#ifndef SHRIKE_TESTS_UNIT_CRASH_INSIDE_H
#define SHRIKE_TESTS_UNIT_CRASH_INSIDE_H

#include <pthread.h>

#include "unit/crash_disk.h"

enum { HANDLES = 256 };

struct bytes {
    uint8_t *data;
    uint64_t size, capacity;
};

/* A write (data) or a cut (none) that waits in the cache. */
struct change {
    struct change *next;
    uint8_t *data;
    uint64_t offset, size;
    bool lost; /* a flush of it has failed */
};

struct node {
    struct node *next;
    bool is_directory;
    struct bytes cache, disk;
    struct change *first, **last;
};

struct entry {
    char *path;
    struct node *node; /* NULL: no such name any more */
};

struct names {
    struct entry *entries;
    size_t n, capacity;
};

/* A change of names that waits in the cache: `to` becomes node, `from` (if any) goes. */
struct naming {
    struct naming *next;
    char *from, *to;
    struct node *node;
};

enum last_change { NOTHING, FORGOTTEN, CUT, WRITTEN };

struct handle {
    struct node *node;
    char path[256];
    enum last_change last;
    bool forgotten, locked;
};

struct crash_disk {
    struct io io;
    pthread_mutex_t lock;
    uint64_t random;
    struct node *nodes;
    struct names visible, durable;
    struct naming *first_naming, **last_naming;
    enum crash_site last_naming_site; /* of the directory flush that would follow */
    struct handle handles[HANDLES];
    uint64_t space, used;
    int64_t stop_in, sync_fails_in, write_fails_in, slow_us;
    bool stopped, unruly, sync_failed;
    enum crash_site left_out;
    const char *left_out_end; /* NULL: none */
    uint64_t flushes[SITE_COUNT];
};

/* crash_state.c */
void *need(void *block);
uint64_t below(struct crash_disk *disk, uint64_t n);
void resize(struct bytes *bytes, uint64_t size);
void copy(struct bytes *to, const struct bytes *from);
void apply(struct bytes *bytes, const struct change *change);
void drop_changes(struct node *node);
void add_change(struct node *node, const void *data, uint64_t offset, uint64_t size);
/* Some sectors of a write; sometimes what lay on the disk before shows in those that were left out. */
void apply_part(struct crash_disk *disk, struct bytes *bytes, const struct change *change, uint64_t percent);

struct node *new_node(struct crash_disk *disk, bool is_directory);
struct entry *find(struct names *names, const char *path);
void link_name(struct names *names, const char *path, struct node *node);
void free_names(struct names *names);
bool is_in(const char *path, const char *directory);
void add_naming(struct crash_disk *disk, const char *from, const char *to, struct node *node,
                enum crash_site site);
/* Takes the changes of names in `directory` (NULL: all); each reaches the disk with so many percent. */
void settle_names(struct crash_disk *disk, const char *directory, uint64_t percent);
/* Forgets what lies in directories that are gone. */
void remove_strays(struct names *names);

#endif
