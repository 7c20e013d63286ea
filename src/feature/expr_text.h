/*
 * Compiled expressions and windows as text for people. Close to the SQL that was written, but as the compiler
 * sees it: casts that lose nothing are left out, named windows and WITH are spelled out. Internal to
 * feature/.
 */
#ifndef SHRIKE_FEATURE_EXPR_TEXT_H
#define SHRIKE_FEATURE_EXPR_TEXT_H

#include "feature/compile.h"

/* What does not fit the buffer is left out: its `failed` says so. */
void expr_text(const struct plan *plan, const struct expr *expr, struct buffer *out);
/* "sum(amount) FILTER (WHERE night)": a window's call without its frame. */
void window_text(const struct plan *plan, const struct window *window, struct buffer *out);
/* "7d .. now", "14d .. 7d", "ever .. 1 row": the events of a frame from the oldest to the newest. */
void frame_text(const struct plan *plan, const struct frame *frame, struct buffer *out);
/* "customer_id, shop", or "all events" where there is no key. */
void keys_text(const struct plan *plan, const struct group *group, struct buffer *out);

#endif
