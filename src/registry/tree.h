/* Directories as wholes: removing one with all that is in it. Symbolic links are removed, not followed. */
#ifndef SHRIKE_REGISTRY_TREE_H
#define SHRIKE_REGISTRY_TREE_H

#include "base/error.h"

/* A directory that does not exist is removed already. */
int tree_remove(const char *path, struct error *error);

/* Removes what writers that were stopped have left in a directory: entries whose name begins with '.' and
 * ends with
 * ".partial". The caller makes sure that no writer is at work. */
void tree_remove_partial(const char *directory);

#endif
