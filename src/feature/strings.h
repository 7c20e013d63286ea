/*
 * Numbers for VARCHAR keys: equal strings get equal numbers, in order of first appearance. Kept for the life
 * of the state. One owner; no limit but memory.
 */
#ifndef SHRIKE_FEATURE_STRINGS_H
#define SHRIKE_FEATURE_STRINGS_H

#include "feature/expr.h"

struct strings;
struct strings *strings_new(void); /* NULL: no memory */
void strings_free(struct strings *strings);
bool strings_number(struct strings *strings, struct text text, uint64_t *ret); /* false: no memory */

#endif
