/*
 * Reasons as people read them: for some features a text, in which {value} stands for the feature's value.
 *
 *   {value}      as it is written in JSON, without quotes; a whole number without ".0"; "unknown" where NULL
 *   {value:.2}   a number with so many decimals, 0 to 15
 *   {value:.0%}  the same of a hundred times the number, with a percent sign behind
 *   {{ and }}    a brace
 *
 * Texts are UTF-8 of at most LIMIT_REASON_TEXT bytes. Threads: immutable. A written reason is at most as long
 * as its text and the values in it.
 */
#ifndef SHRIKE_SCORE_REASONS_H
#define SHRIKE_SCORE_REASONS_H

#include <stdbool.h>

#include "base/memory.h"
#include "table/table.h"

struct reason_text {
    const char *feature, *text;
};

struct reasons;

/* Checks the texts against the features of a plan and copies them. CODE_INVALID names the feature and what is
 * wrong: it is not the plan's, has two texts, or the text has a placeholder that is none. */
int reasons_new(const struct reason_text *texts, int n, const struct schema *features, struct reasons **ret,
                struct error *error);
void reasons_free(struct reasons *reasons); /* takes NULL */

/* Whether any feature has a text. */
bool reasons_any(const struct reasons *reasons);

/* Appends the reason of one feature (its number among the features) in row i, and true; false where the
 * feature has no text. */
bool reasons_write(const struct reasons *reasons, const struct table *features, int feature, int64_t i,
                   struct buffer *out);

#endif
