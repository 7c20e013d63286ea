/* The files that the program writes for its user. */
#ifndef SHRIKE_CLI_EMBEDDED_H
#define SHRIKE_CLI_EMBEDDED_H

#include "base/embedded.h"

/* What `shrike init` writes; ended by an entry without a name. */
extern const struct embedded_file project_handbook[];

#endif
