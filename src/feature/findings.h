/*
 * Findings: everything that is wrong with a plan, in the order in which it was found until they are sorted.
 * See plan.h for the struct.
 */
#ifndef SHRIKE_FEATURE_FINDINGS_H
#define SHRIKE_FEATURE_FINDINGS_H

#include "feature/plan.h"

/* Keeps a copy, once, and LIMIT_FINDINGS at most. False: no memory. */
bool findings_add(struct plan_findings *findings, const struct error *error);
/* In the order of the text, what has no place at the end. */
void findings_sort(struct plan_findings *findings);
/* Copies the first into *error and returns its code; OK where there are none. */
int findings_first(const struct plan_findings *findings, struct error *error);

#endif
