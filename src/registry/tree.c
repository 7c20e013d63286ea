#include "registry/tree.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

int tree_remove(const char *path, struct error *error)
{
    if (access(path, F_OK) && errno == ENOENT)
        return OK;
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS))
        return error_set_errno(error, errno, "cannot remove %s", path);
    return OK;
}

static bool is_partial(const char *name)
{
    static const char ending[] = ".partial";
    size_t size = strlen(name);
    return name[0] == '.' && size >= sizeof ending && !strcmp(name + size - (sizeof ending - 1), ending);
}

void tree_remove_partial(const char *directory)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return;
    char path[PATH_MAX];
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        if (is_partial(entry->d_name) &&
            snprintf(path, sizeof path, "%s/%s", directory, entry->d_name) < (int)sizeof path)
            (void)tree_remove(path, NULL); /* What stays does no harm: nothing looks at such names. */
    closedir(stream);
}
