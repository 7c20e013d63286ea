#include "feature/stage.h"

#include <stdlib.h>
#include <string.h>

#include "feature/kernels.h"
#include "feature/strings.h"

/* The words of one key part, for n rows `stride` words apart: equal values give equal words (-0.0 is 0.0,
 * every NaN the same). Texts get theirs from stage_texts. */
static void key_words(const struct vector *part, int64_t n, uint64_t *words, int64_t stride)
{
    switch (part->rep) {
    case REP_BOOLEAN:
        for (int64_t i = 0; i < n; i++)
            words[i * stride] = BOOLEANS(part)[i];
        break;
    case REP_INT:
        for (int64_t i = 0; i < n; i++)
            words[i * stride] = (uint64_t)INTS(part)[i];
        break;
    case REP_WIDE:
        for (int64_t i = 0; i < n; i++)
            memcpy(&words[i * stride], &WIDES(part)[i], sizeof(__int128));
        break;
    case REP_DOUBLE:
        for (int64_t i = 0; i < n; i++) {
            double value = DOUBLES(part)[i] == 0 ? 0 : DOUBLES(part)[i];
            memcpy(&words[i * stride], &value, sizeof value);
            if (value != value)
                words[i * stride] = UINT64_C(0x7ff8000000000000);
        }
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            words[i * stride] = 0;
    }
}

/* None is NULL, and none could not be computed. */
static bool are_values(const struct vector *vector, int64_t n)
{
    uint8_t differ = 0;
    for (int64_t i = 0; i < n; i++)
        differ |= vector->state[i] ^ STATE_VALUE;
    return !differ;
}

/* A NULL part is 0 in its words and a bit in the last word. A key that could not be computed is as unknown as
 * a NULL one. */
static void mark_nulls(const struct vector *part, int64_t n, uint64_t *words, uint64_t *nulls, int64_t stride,
                       size_t number, const uint8_t *wanted, int64_t *errors)
{
    if (are_values(part, n))
        return;
    for (int64_t i = 0; i < n; i++) {
        if (part->state[i] == STATE_VALUE)
            continue;
        words[i * stride] = 0;
        if (part->rep == REP_WIDE)
            words[i * stride + 1] = 0;
        nulls[i * stride] |= UINT64_C(1) << number;
        *errors += part->state[i] == STATE_ERROR && (!wanted || wanted[i]);
    }
}

static void stage_keys(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                       const uint8_t *wanted, int64_t *errors)
{
    const struct group *group = staged->layout.group;
    int64_t stride = staged->layout.n_words;
    uint64_t *word = staged->keys + row * stride, *nulls = word + stride - 1;
    for (int64_t i = 0; i < n; i++)
        nulls[i * stride] = 0;
    for (size_t k = 0; k < group->n_keys; k++) {
        const struct vector *part = program_root(program, staged->first_root + (int)k);
        key_words(part, n, word, stride);
        mark_nulls(part, n, word, nulls, stride, k, wanted, errors);
        for (int64_t i = 0; part->rep == REP_TEXT && i < n; i++)
            if (part->state[i] == STATE_VALUE)
                staged->texts[(row + i) * (int64_t)group->n_keys + (int64_t)k] = TEXTS(part)[i];
        word += part->rep == REP_WIDE ? 2 : 1;
    }
}

static void copy_values(const struct vector *argument, int64_t n, union value *values, size_t stride)
{
    switch (argument->rep) {
    case REP_BOOLEAN:
        for (int64_t i = 0; i < n; i++)
            values[(size_t)i * stride].integer = BOOLEANS(argument)[i];
        break;
    case REP_INT:
        for (int64_t i = 0; i < n; i++)
            values[(size_t)i * stride].integer = INTS(argument)[i];
        break;
    case REP_DOUBLE:
        for (int64_t i = 0; i < n; i++)
            values[(size_t)i * stride].real = DOUBLES(argument)[i];
        break;
    case REP_WIDE:
        for (int64_t i = 0; i < n; i++)
            values[(size_t)i * stride].wide = WIDES(argument)[i];
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            values[(size_t)i * stride].text = TEXTS(argument)[i];
    }
}

/* What cannot be computed is not aggregated, like NULL, but it is counted. */
static void mark_slot(const struct vector *argument, const struct vector *filter, int64_t n, uint64_t *marks,
                      size_t slot, const uint8_t *wanted, int64_t *errors)
{
    if (!filter && (!argument || are_values(argument, n))) {
        for (int64_t i = 0; i < n; i++)
            marks[i] |= UINT64_C(1) << slot;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        bool passes = !filter || (filter->state[i] == STATE_VALUE && BOOLEANS(filter)[i]);
        bool marked = passes && (!argument || argument->state[i] == STATE_VALUE);
        marks[i] |= (uint64_t)marked << slot;
        if (marked || (wanted && !wanted[i]))
            continue;
        *errors += (filter && filter->state[i] == STATE_ERROR) ||
                   (passes && argument && argument->state[i] == STATE_ERROR);
    }
}

static void stage_slots(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                        const uint8_t *wanted, int64_t *errors)
{
    const struct group *group = staged->layout.group;
    int root = staged->first_root + (int)group->n_keys;
    memset(staged->marks + row, 0, (size_t)n * sizeof *staged->marks);
    for (size_t s = 0; s < group->n_slots; s++) {
        const struct slot *slot = &group->slots[s];
        const struct vector *argument = slot->argument ? program_root(program, root++) : NULL;
        const struct vector *filter = slot->filter ? program_root(program, root++) : NULL;
        mark_slot(argument, filter, n, staged->marks + row, s, wanted, errors);
        if (argument)
            copy_values(argument, n, staged->values + row * (int64_t)group->n_slots + s, group->n_slots);
    }
}

static void hash_keys(struct staged *staged, int64_t from, int64_t to)
{
    int words = staged->layout.n_words;
    /* A key of one part, and its NULL marks. */
    for (int64_t i = from; words == 2 && i < to; i++)
        staged->hashes[i] = entities_hash(staged->keys + i * 2, 2);
    for (int64_t i = from; words != 2 && i < to; i++)
        staged->hashes[i] = entities_hash(staged->keys + i * words, words);
}

bool stage_has_texts(const struct staged *staged)
{
    return staged->layout.n_text_keys || staged->layout.has_text;
}

void stage_rows(struct staged *staged, const struct program *program, int64_t row, int64_t n,
                const uint8_t *wanted, int64_t *errors)
{
    wanted = wanted ? wanted + row : NULL;
    stage_keys(staged, program, row, n, wanted, errors);
    stage_slots(staged, program, row, n, wanted, errors);
    if (!staged->layout.n_text_keys)
        hash_keys(staged, row, row + n);
}

static bool number_keys(struct staged *staged, struct strings *strings, int64_t i)
{
    const struct layout *layout = &staged->layout;
    uint64_t *key = staged->keys + i * layout->n_words, nulls = key[layout->n_words - 1];
    for (int t = 0; t < layout->n_text_keys; t++) {
        struct text_key text = layout->text_keys[t];
        const struct text *texts = &staged->texts[i * (int64_t)layout->group->n_keys];
        if (!(nulls >> text.part & 1) && !strings_number(strings, texts[text.part], &key[text.word]))
            return false;
    }
    return true;
}

static bool number_values(struct staged *staged, struct strings *strings, int64_t i, uint64_t slots)
{
    const struct layout *layout = &staged->layout;
    for (int s = 0; s < layout->n_stored; s++) {
        const struct stored *stored = &layout->stored[s];
        union value *value = &staged->values[i * (int64_t)layout->group->n_slots + stored->slot];
        uint64_t number;
        if (!stored->text || !(staged->marks[i] & slots & UINT64_C(1) << stored->slot))
            continue;
        if (!strings_number(strings, value->text, &number))
            return false;
        value->integer = (int64_t)number;
    }
    return true;
}

bool stage_texts(struct staged *staged, struct strings *strings, int64_t n, const uint8_t *wanted,
                 uint64_t slots)
{
    for (int64_t i = 0; i < n; i++)
        if (!wanted || wanted[i]) {
            if (!number_keys(staged, strings, i) || !number_values(staged, strings, i, slots))
                return false;
        }
    if (staged->layout.n_text_keys)
        hash_keys(staged, 0, n);
    return true;
}

int staged_new(const struct plan *plan, int group, enum layout_finds finds, int64_t rows, int n_shares,
               struct strings *strings, struct staged *ret, struct error *error)
{
    const struct group *g = &plan->groups[group];
    struct staged staged = {.level = g->level, .n_shares = n_shares};
    int rc = layout_new(plan, group, finds, &staged.layout, error);
    if (rc != OK)
        return rc;
    size_t n = (size_t)rows, shares = (size_t)n_shares;
    staged.hashes = memory_new(n, sizeof *staged.hashes);
    staged.keys = memory_new(n * (size_t)staged.layout.n_words, sizeof *staged.keys);
    staged.marks = memory_new(n, sizeof *staged.marks);
    staged.values = memory_new(n * g->n_slots, sizeof *staged.values);
    staged.found = memory_new(n, sizeof *staged.found);
    staged.shares = memory_new(shares, sizeof *staged.shares);
    if (staged.layout.n_text_keys)
        staged.texts = memory_new(n * g->n_keys, sizeof *staged.texts);
    if (!staged.hashes || !staged.keys || !staged.marks || !staged.values || !staged.found ||
        !staged.shares || (staged.layout.n_text_keys && !staged.texts))
        rc = error_set(error, CODE_MEMORY, "no memory for the windows");
    *ret = staged;
    for (int t = 0; rc == OK && t < n_shares; t++)
        rc = entities_new(&ret->layout, strings, &ret->shares[t], error);
    if (rc != OK)
        staged_done(ret);
    return rc;
}

void staged_done(struct staged *staged)
{
    for (int t = 0; staged->shares && t < staged->n_shares; t++)
        entities_free(staged->shares[t]);
    free(staged->shares);
    free(staged->hashes);
    free(staged->keys);
    free(staged->marks);
    free(staged->values);
    free(staged->found);
    free(staged->texts);
    steady_free(staged->steady);
    layout_done(&staged->layout);
    *staged = (struct staged){0};
}
