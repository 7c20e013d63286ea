#include "feature/findings.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/memory.h"

bool findings_add(struct plan_findings *findings, const struct error *error)
{
    for (size_t i = 0; i < findings->n; i++)
        if (findings->list[i].line == error->line && findings->list[i].column == error->column &&
            strcmp(findings->list[i].message, error->message) == 0)
            return true;
    if (findings->n >= LIMIT_FINDINGS)
        return true;
    if (!memory_grow(&findings->list, &findings->capacity, findings->n + 1, sizeof *findings->list))
        return false;
    findings->list[findings->n++] = *error;
    return true;
}

static int64_t key(const struct error *error)
{
    return error->line ? error->line : INT64_MAX;
}

/* By insertion, which keeps the order of what has one place: there are few. */
void findings_sort(struct plan_findings *findings)
{
    for (size_t i = 1; i < findings->n; i++) {
        struct error moved = findings->list[i];
        size_t at = i;
        for (; at; at--) {
            const struct error *before = &findings->list[at - 1];
            if (key(before) < key(&moved) || (key(before) == key(&moved) && before->column <= moved.column))
                break;
            findings->list[at] = *before;
        }
        findings->list[at] = moved;
    }
}

int findings_first(const struct plan_findings *findings, struct error *error)
{
    if (!findings->n)
        return OK;
    if (error)
        *error = findings->list[0];
    return findings->list[0].code;
}

void plan_findings_done(struct plan_findings *findings)
{
    free(findings->list);
    *findings = (struct plan_findings){0};
}
