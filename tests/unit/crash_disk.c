#include "unit/crash_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit/crash_inside.h"

/* ---- calls ---- */

/* Every call that changes something. The lock is held until leave(). */
static int enter(struct crash_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    if (disk->stop_in == 0)
        disk->stopped = true;
    if (disk->stop_in > 0)
        disk->stop_in--;
    if (disk->stopped)
        return EIO;
    return disk->unruly && below(disk, 8) == 0 ? EINTR : 0;
}

static int leave(struct crash_disk *disk, int number)
{
    pthread_mutex_unlock(&disk->lock);
    return number;
}

static int look(struct crash_disk *disk)
{
    pthread_mutex_lock(&disk->lock);
    return disk->stopped ? EIO : 0;
}

static struct handle *handle_of(struct crash_disk *disk, int file)
{
    assert(file >= 0 && file < HANDLES && disk->handles[file].node);
    return &disk->handles[file];
}

static int crash_open(void *context, const char *path, int flags, int *ret_file)
{
    struct crash_disk *disk = context;
    int number = flags & IO_CREATE ? enter(disk) : look(disk), file = 0;
    struct entry *entry = find(&disk->visible, path);
    struct node *node = entry ? entry->node : NULL;
    if (!number && !node && !(flags & IO_CREATE))
        number = ENOENT;
    if (!number && node && node->is_directory)
        number = EISDIR;
    if (!number && !node && disk->used >= disk->space)
        number = ENOSPC;
    while (file < HANDLES && disk->handles[file].node)
        file++;
    if (!number && file == HANDLES)
        number = EMFILE;
    if (number)
        return leave(disk, number);
    if (!node) {
        node = new_node(disk, false);
        add_naming(disk, NULL, path, node, SITE_DIRECTORY_CREATE);
    } else if (flags & IO_EMPTY) {
        disk->used -= node->cache.size;
        add_change(node, NULL, 0, 0);
    }
    struct handle *handle = &disk->handles[file];
    *handle = (struct handle){.node = node};
    snprintf(handle->path, sizeof handle->path, "%s", path);
    *ret_file = file;
    return leave(disk, 0);
}

static void crash_close(void *context, int file)
{
    struct crash_disk *disk = context;
    pthread_mutex_lock(&disk->lock);
    disk->handles[file].node = NULL;
    pthread_mutex_unlock(&disk->lock);
}

static int crash_read(void *context, int file, void *data, size_t size, uint64_t offset, size_t *ret)
{
    struct crash_disk *disk = context;
    int number = look(disk);
    if (!number && disk->unruly && below(disk, 8) == 0)
        number = EINTR;
    if (number)
        return leave(disk, number);
    struct bytes *cache = &handle_of(disk, file)->node->cache;
    uint64_t n = offset < cache->size ? cache->size - offset : 0;
    if (n > size)
        n = size;
    if (disk->unruly && n > 1)
        n = 1 + below(disk, n);
    if (n)
        memcpy(data, cache->data + offset, n);
    *ret = n;
    return leave(disk, 0);
}

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static int crash_write(void *context, int file, const void *data, size_t size, uint64_t offset, size_t *ret)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    if (!number && disk->write_fails_in >= 0 && disk->write_fails_in-- == 0)
        number = EIO;
    if (number)
        return leave(disk, number);
    struct handle *handle = handle_of(disk, file);
    /* What a lock says of its holder is as long as the process's number, which no seed decides. */
    bool whole = !disk->unruly || size < 2 || ends_with(handle->path, "/lock");
    uint64_t n = whole ? size : 1 + below(disk, size);
    uint64_t more = offset + n > handle->node->cache.size ? offset + n - handle->node->cache.size : 0;
    uint64_t left = disk->space > disk->used ? disk->space - disk->used : 0;
    if (more > left) { /* as much as fits, as a disk does */
        n = more - left < n ? n - (more - left) : 0;
        more = left;
    }
    if (size && n == 0)
        return leave(disk, ENOSPC);
    disk->used += more;
    add_change(handle->node, data, offset, n);
    handle->last = WRITTEN;
    *ret = n;
    return leave(disk, 0);
}

static int crash_size(void *context, int file, uint64_t *ret)
{
    struct crash_disk *disk = context;
    int number = look(disk);
    if (!number)
        *ret = handle_of(disk, file)->node->cache.size;
    return leave(disk, number);
}

static int crash_truncate(void *context, int file, uint64_t size)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    if (number)
        return leave(disk, number);
    struct handle *handle = handle_of(disk, file);
    disk->used += size;
    disk->used -= handle->node->cache.size;
    add_change(handle->node, NULL, 0, size);
    handle->last = CUT;
    return leave(disk, 0);
}

static enum crash_site site_of(const struct handle *handle)
{
    if (ends_with(handle->path, ".new"))
        return handle->node->cache.size <= 64 ? SITE_STAGED_HEAD : SITE_STAGED;
    if (handle->last == NOTHING)
        return SITE_OPEN;
    if (handle->last == WRITTEN)
        return SITE_COMMIT;
    return handle->forgotten ? SITE_CUT : SITE_CLOSE;
}

static bool is_left_out(struct crash_disk *disk, enum crash_site site, const char *path)
{
    disk->flushes[site]++;
    return disk->left_out_end && disk->left_out == site && ends_with(path, disk->left_out_end);
}

/* What could not be written is lost for good, though it is still to be seen. */
static void lose(struct crash_disk *disk, struct node *node)
{
    for (struct change *change = node->first; change; change = change->next) {
        if (!change->lost)
            apply_part(disk, &node->disk, change, below(disk, 100));
        change->lost = true;
    }
}

static int crash_sync(void *context, int file)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    if (number && number != EINTR)
        return leave(disk, number);
    struct handle *handle = handle_of(disk, file);
    enum crash_site site = site_of(handle);
    int64_t slow_us = disk->slow_us;
    handle->last = NOTHING;
    if (disk->sync_fails_in >= 0 && disk->sync_fails_in-- == 0) {
        lose(disk, handle->node);
        disk->sync_failed = true;
        return leave(disk, EIO);
    }
    if (is_left_out(disk, site, handle->path))
        return leave(disk, 0);
    bool lost = false;
    for (struct change *change = handle->node->first; change; change = change->next) {
        lost |= change->lost;
        if (!change->lost)
            apply(&handle->node->disk, change);
    }
    if (!lost)
        drop_changes(handle->node);
    else /* they stay to be seen; those on the disk are lost only in name */
        for (struct change *change = handle->node->first; change; change = change->next)
            change->lost = true;
    leave(disk, 0);
    if (slow_us)
        usleep((useconds_t)slow_us);
    return 0;
}

/* What waits to be written stays; what was lost is lost from sight too. */
static int crash_forget(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)offset, (void)size; /* a cache may forget more than it was asked to */
    struct crash_disk *disk = context;
    int number = look(disk);
    if (number)
        return leave(disk, number);
    struct handle *handle = handle_of(disk, file);
    struct node *node = handle->node;
    handle->forgotten = true;
    if (is_left_out(disk, SITE_FORGET, handle->path))
        return leave(disk, 0);
    disk->used -= node->cache.size;
    copy(&node->cache, &node->disk);
    for (struct change *change = node->first; change; change = change->next)
        if (!change->lost)
            apply(&node->cache, change);
    disk->used += node->cache.size;
    return leave(disk, 0);
}

static void crash_write_back(void *context, int file, uint64_t offset, uint64_t size)
{
    (void)context, (void)file, (void)offset, (void)size;
}

static int crash_sync_directory(void *context, const char *path)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    if (number && number != EINTR)
        return leave(disk, number);
    enum crash_site site = disk->last_naming_site;
    disk->last_naming_site = SITE_DIRECTORY_OPEN;
    if (disk->sync_fails_in >= 0 && disk->sync_fails_in-- == 0) {
        disk->sync_failed = true;
        return leave(disk, EIO);
    }
    if (!is_left_out(disk, site, path))
        settle_names(disk, path, 100);
    return leave(disk, 0);
}

static int crash_make_directory(void *context, const char *path)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    if (number && number != EINTR)
        return leave(disk, number);
    if (find(&disk->visible, path))
        return leave(disk, EEXIST);
    struct node *node = new_node(disk, true);
    add_naming(disk, NULL, path, node, SITE_DIRECTORY_MADE);
    return leave(disk, 0);
}

static int crash_rename(void *context, const char *from, const char *to)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    struct entry *entry = find(&disk->visible, from);
    if (number == EINTR)
        number = 0;
    if (!number && !entry)
        number = ENOENT;
    if (number)
        return leave(disk, number);
    bool replaces = find(&disk->visible, to);
    struct node *node = entry->node;
    add_naming(disk, from, to, node, replaces ? SITE_DIRECTORY_REPLACE : SITE_DIRECTORY_CREATE);
    for (int i = 0; i < HANDLES; i++)
        if (disk->handles[i].node == node || strcmp(disk->handles[i].path, from) == 0)
            snprintf(disk->handles[i].path, sizeof disk->handles[i].path, "%s", to);
    return leave(disk, 0);
}

static int crash_remove(void *context, const char *path)
{
    struct crash_disk *disk = context;
    int number = enter(disk);
    struct entry *entry = find(&disk->visible, path);
    if (number == EINTR)
        number = 0;
    if (!number && !entry)
        number = ENOENT;
    if (number)
        return leave(disk, number);
    disk->used -= entry->node->cache.size;
    add_naming(disk, path, NULL, entry->node, SITE_DIRECTORY_REMOVE);
    return leave(disk, 0);
}

static int crash_list(void *context, const char *path, int (*each)(void *argument, const char *name),
                      void *argument)
{
    struct crash_disk *disk = context;
    int number = look(disk);
    disk->last_naming_site = SITE_DIRECTORY_OPEN;
    struct entry *directory = find(&disk->visible, path);
    if (!number && !(directory && directory->node->is_directory))
        number = ENOENT;
    for (size_t i = 0; !number && i < disk->visible.n; i++)
        if (disk->visible.entries[i].node && is_in(disk->visible.entries[i].path, path))
            number = each(argument, strrchr(disk->visible.entries[i].path, '/') + 1);
    return leave(disk, number);
}

static int crash_lock(void *context, int file)
{
    struct crash_disk *disk = context;
    int number = look(disk);
    struct handle *handle = handle_of(disk, file);
    for (int i = 0; !number && i < HANDLES; i++)
        if (i != file && disk->handles[i].node == handle->node && disk->handles[i].locked)
            number = EWOULDBLOCK;
    if (!number)
        handle->locked = true;
    return leave(disk, number);
}

static int64_t crash_wall_us(void *context)
{
    (void)context;
    return INT64_C(1700000000000000);
}

static int crash_fill_random(void *context, void *data, size_t size)
{
    struct crash_disk *disk = context;
    int number = look(disk);
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)below(disk, 256);
    return leave(disk, number);
}

/* ---- for tests ---- */

struct crash_disk *crash_disk_new(uint64_t seed)
{
    struct crash_disk *disk = need(calloc(1, sizeof *disk));
    disk->random = seed;
    disk->space = UINT64_MAX;
    disk->stop_in = disk->sync_fails_in = disk->write_fails_in = -1;
    disk->last_naming = &disk->first_naming;
    disk->last_naming_site = SITE_DIRECTORY_OPEN;
    pthread_mutex_init(&disk->lock, NULL);
    disk->io = (struct io){disk,          crash_open,       crash_close,          crash_read,
                           crash_write,   crash_size,       crash_truncate,       crash_sync,
                           crash_forget,  crash_write_back, crash_sync_directory, crash_make_directory,
                           crash_rename,  crash_remove,     crash_list,           crash_lock,
                           crash_wall_us, crash_fill_random};
    return disk;
}

void crash_disk_free(struct crash_disk *disk)
{
    settle_names(disk, NULL, 0);
    while (disk->nodes) {
        struct node *next = disk->nodes->next;
        drop_changes(disk->nodes);
        free(disk->nodes->cache.data);
        free(disk->nodes->disk.data);
        free(disk->nodes);
        disk->nodes = next;
    }
    free_names(&disk->visible);
    free_names(&disk->durable);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

const struct io *crash_disk_io(struct crash_disk *disk)
{
    return &disk->io;
}

static void count_space(struct crash_disk *disk)
{
    disk->used = 0;
    for (size_t i = 0; i < disk->visible.n; i++)
        if (disk->visible.entries[i].node)
            disk->used += disk->visible.entries[i].node->cache.size;
}

void crash_disk_kill(struct crash_disk *disk)
{
    for (int i = 0; i < HANDLES; i++)
        disk->handles[i] = (struct handle){0};
    disk->stopped = disk->sync_failed = false;
    disk->stop_in = disk->sync_fails_in = disk->write_fails_in = -1;
    disk->last_naming_site = SITE_DIRECTORY_OPEN;
}

void crash_disk_crash(struct crash_disk *disk)
{
    static const uint64_t shares[] = {0, 30, 70, 100};
    crash_disk_kill(disk);
    for (struct node *node = disk->nodes; node; node = node->next) {
        uint64_t percent = shares[below(disk, 4)];
        for (struct change *change = node->first; change; change = change->next)
            if (!change->lost)
                apply_part(disk, &node->disk, change, percent);
        drop_changes(node);
        copy(&node->cache, &node->disk);
    }
    settle_names(disk, NULL, shares[below(disk, 4)]);
    remove_strays(&disk->durable);
    free_names(&disk->visible);
    for (size_t i = 0; i < disk->durable.n; i++)
        if (disk->durable.entries[i].node)
            link_name(&disk->visible, disk->durable.entries[i].path, disk->durable.entries[i].node);
    count_space(disk);
}

void crash_disk_stop_after(struct crash_disk *disk, int64_t calls)
{
    disk->stop_in = calls;
}

bool crash_disk_stopped(const struct crash_disk *disk)
{
    return disk->stopped;
}

void crash_disk_leave_out(struct crash_disk *disk, enum crash_site site, const char *end)
{
    disk->left_out = site;
    disk->left_out_end = end;
}

uint64_t crash_disk_flushes(const struct crash_disk *disk, enum crash_site site)
{
    return disk->flushes[site];
}

void crash_disk_set_space(struct crash_disk *disk, uint64_t bytes)
{
    disk->space = bytes == UINT64_MAX ? bytes : disk->used + bytes;
}

void crash_disk_fail_sync_in(struct crash_disk *disk, int64_t flushes)
{
    disk->sync_fails_in = flushes;
}

bool crash_disk_sync_failed(const struct crash_disk *disk)
{
    return disk->sync_failed;
}

void crash_disk_fail_write_in(struct crash_disk *disk, int64_t writes)
{
    disk->write_fails_in = writes;
}

void crash_disk_set_unruly(struct crash_disk *disk, bool unruly)
{
    disk->unruly = unruly;
}

void crash_disk_set_slow(struct crash_disk *disk, int64_t sync_us)
{
    disk->slow_us = sync_us;
}

uint8_t *crash_disk_bytes(struct crash_disk *disk, const char *path, uint64_t *ret_size)
{
    struct entry *entry = find(&disk->visible, path);
    if (!entry || entry->node->is_directory)
        return NULL;
    *ret_size = entry->node->cache.size;
    return entry->node->cache.data;
}

void crash_disk_put(struct crash_disk *disk, const char *path, const void *data, uint64_t size)
{
    struct node *node = new_node(disk, false);
    link_name(&disk->visible, path, node);
    link_name(&disk->durable, path, node);
    resize(&node->disk, size);
    if (size)
        memcpy(node->disk.data, data, size);
    copy(&node->cache, &node->disk);
    count_space(disk);
}

const char *crash_site_name(enum crash_site site)
{
    static const char *const names[SITE_COUNT] = {
        [SITE_COMMIT] = "a written file",
        [SITE_CLOSE] = "a file cut at its end",
        [SITE_OPEN] = "a file just opened",
        [SITE_CUT] = "a file cut when opened",
        [SITE_FORGET] = "(not a flush) what the cache of a file has",
        [SITE_STAGED_HEAD] = "a new head under a staging name",
        [SITE_STAGED] = "a new file under a staging name",
        [SITE_DIRECTORY_OPEN] = "a directory just listed",
        [SITE_DIRECTORY_MADE] = "a directory with a new directory",
        [SITE_DIRECTORY_CREATE] = "a directory with a new name",
        [SITE_DIRECTORY_REPLACE] = "a directory with a replaced file",
        [SITE_DIRECTORY_REMOVE] = "a directory with a name removed",
    };
    return names[site];
}
