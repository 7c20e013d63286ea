#include "base/ram.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH = 4096 };

/* The number in a file; INT64_MAX where there is no such file, or it says "max". */
static int64_t read_limit(const char *path)
{
    char text[64], *end;
    FILE *file = fopen(path, "re");
    if (!file)
        return INT64_MAX;
    bool read = fgets(text, sizeof text, file);
    fclose(file);
    if (!read)
        return INT64_MAX;
    errno = 0;
    long long limit = strtoll(text, &end, 10);
    return end == text || errno || limit <= 0 ? INT64_MAX : limit;
}

/* The lowest limit from a group up to the root. A group that this mount does not have (a container sees its
 * own as the root, whatever it is called outside) counts as the root. */
static int64_t lowest_limit(const char *mount, const char *group, const char *name)
{
    char path[PATH];
    int64_t lowest = INT64_MAX;
    size_t length = strlen(group);
    for (;;) {
        if (snprintf(path, sizeof path, "%s%.*s/%s", mount, (int)length, group, name) < PATH) {
            int64_t limit = read_limit(path);
            lowest = limit < lowest ? limit : lowest;
        }
        if (length == 0)
            return lowest;
        while (length > 0 && group[--length] != '/')
            ;
    }
}

/* Has the list "cpu,memory" the controller? */
static bool lists_memory(const char *controllers)
{
    for (const char *at = controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == 6 && strncmp(at, "memory", 6) == 0)
            return true;
    return false;
}

int64_t ram_group_limit(const char *groups, const char *mount)
{
    char line[PATH], old_mount[PATH];
    int64_t lowest = INT64_MAX;
    FILE *file = fopen(groups, "re");
    if (!file)
        return lowest;
    snprintf(old_mount, sizeof old_mount, "%.*s/memory", PATH - 8, mount);
    while (fgets(line, sizeof line, file)) {
        /* hierarchy:controllers:group; without controllers it is version 2's one hierarchy. */
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *controllers++ = 0;
        *group++ = 0;
        group[strcspn(group, "\n")] = 0;
        int64_t limit = INT64_MAX;
        if (!*controllers)
            limit = lowest_limit(mount, group, "memory.max");
        else if (lists_memory(controllers))
            limit = lowest_limit(old_mount, group, "memory.limit_in_bytes");
        lowest = limit < lowest ? limit : lowest;
    }
    fclose(file);
    return lowest;
}

int64_t ram_bytes(void)
{
    int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    int64_t machine = pages > 0 && size > 0 ? pages * size : INT64_MAX;
    int64_t group = ram_group_limit("/proc/self/cgroup", "/sys/fs/cgroup");
    return group < machine ? group : machine;
}
