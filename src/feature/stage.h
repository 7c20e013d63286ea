/*
 * What an event brings to its groups: keys, marks and values of a slice of events, computed by an expression
 * program and laid ready for the entities. Internal to feature/.
 */
#ifndef SHRIKE_FEATURE_STAGE_H
#define SHRIKE_FEATURE_STAGE_H

#include "feature/entities.h"
#include "feature/steady.h"

struct staged {
    struct layout layout;
    struct steady *steady; /* NULL until the windows' vectors are known, and where there is none */
    int level;
    uint64_t *hashes, *keys, *marks; /* `rows` rows; keys: n_words per row */
    union value *values;             /* n_slots per row; texts until stage_texts made numbers of them */
    struct text *texts;              /* key parts per row, where a part is VARCHAR; else NULL */
    struct entity **found;           /* per row: its entity */
    struct entities **shares;        /* one per thread */
    int n_shares;
    int first_root; /* of the group's keys and slots in the program of its level */
};

int staged_new(const struct plan *plan, int group, enum layout_finds finds, int64_t rows, int n_shares,
               struct strings *strings, struct staged *ret, struct error *error);
void staged_done(struct staged *staged);

/* Takes rows [row, row + n) from the program's roots. wanted: per row, NULL for all; others count no errors.
 */
void stage_rows(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                const uint8_t *wanted, int64_t *errors);
/* Makes numbers of the texts of rows [0, n), in keys and in the values of these slots, and hashes the keys;
 * one thread. False: no memory. */
bool stage_texts(struct staged *staged, struct strings *strings, int64_t n, const uint8_t *wanted,
                 uint64_t slots);
/* Has the group texts, so that stage_texts has to be called? */
bool stage_has_texts(const struct staged *staged);

#endif
