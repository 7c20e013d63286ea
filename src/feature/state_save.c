/*
 * A state to bytes and back:
 *
 *   magic "SHRKWIN1" | SHA-256 of the plan's text, 64 hex digits | lateness i64 | max ahead i64 | learns u8 |
 * forgets u8 | high water i64 | started u8 | arrival i64 | counters | texts (strings.h) | of each group:
 * shape u64 | of each entity: 1 u8, key words, entity_save.h | 0 u8
 *
 * Key words that are texts go by number. What was kept by one number of threads may be read by another.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "feature/entity_save.h"
#include "feature/state_struct.h"

static const char magic[8] = {'S', 'H', 'R', 'K', 'W', 'I', 'N', '1'};

struct saving {
    const struct layout *layout;
    struct bytes_out *out;
};

void state_save_entity(const struct layout *layout, const struct entity *entity, struct bytes_out *out)
{
    bytes_put_u8(out, 1);
    bytes_put(out, entity_keys(layout, entity), (size_t)layout->n_words * 8);
    entity_save(layout, entity, out);
}

static void save_entity(void *context, const struct entity *entity)
{
    const struct saving *saving = context;
    state_save_entity(saving->layout, entity, saving->out);
}

static void save_group(const struct state *state, const struct staged *staged, struct bytes_out *out)
{
    struct saving saving = {&staged->layout, out};
    bytes_put_u64(out, entity_shape(&staged->layout));
    for (int t = 0; t < state->threads; t++)
        entities_each(staged->shares[t], save_entity, &saving);
    bytes_put_u8(out, 0);
}

int state_save(const struct state *state, bytes_write *write, void *context, struct error *error)
{
    struct bytes_out out;
    if (state->failed)
        return error_set(error, CODE_MEMORY, "the state ran out of memory before and cannot be saved");
    int rc = bytes_out_init(&out, write, context, error);
    if (rc != OK)
        return rc;
    bytes_put(&out, magic, sizeof magic);
    bytes_put(&out, state->plan->hash, 64);
    bytes_put_i64(&out, state->options.lateness_us);
    bytes_put_i64(&out, state->options.max_ahead_us);
    bytes_put_u8(&out, state->options.learns);
    bytes_put_u8(&out, state->options.forgets);
    bytes_put_i64(&out, state->high_water);
    bytes_put_u8(&out, state->started);
    bytes_put_i64(&out, state->least_ahead);
    bytes_put_i64(&out, state->n_ahead);
    bytes_put_i64(&out, state->arrival);
    bytes_put_i64(&out, state->counters.events);
    bytes_put_i64(&out, state->counters.late);
    bytes_put_i64(&out, state->counters.too_late);
    bytes_put_i64(&out, state->counters.ahead);
    bytes_put_i64(&out, state->counters.filtered);
    bytes_put_i64(&out, state->counters.expression_errors);
    bytes_put_i64(&out, state->counters.learnt);
    bytes_put_i64(&out, state->counters.outlived);
    if (state->strings)
        strings_save(state->strings, &out);
    for (size_t g = 0; g < state->plan->n_groups; g++)
        save_group(state, &state->groups[g], &out);
    return bytes_out_finish(&out);
}

static bool load_header(struct state *state, struct bytes_in *in)
{
    char found[sizeof magic], hash[64];
    bytes_get(in, found, sizeof found);
    bytes_get(in, hash, sizeof hash);
    if (in->rc == OK && memcmp(found, magic, sizeof magic) != 0)
        return bytes_refuse(in, "it is no state of windows that this version reads");
    if (in->rc == OK && memcmp(hash, state->plan->hash, sizeof hash) != 0)
        return bytes_refuse(in, "it is the state of another plan, whose SHA-256 begins with %.12s", hash);
    int64_t lateness = bytes_get_i64(in);
    if (in->rc == OK && lateness != state->options.lateness_us)
        return bytes_refuse(in, "it was kept for a lateness of %lld, not of %lld", (long long)lateness,
                            (long long)state->options.lateness_us);
    int64_t ahead = bytes_get_i64(in);
    if (in->rc == OK && ahead != state->options.max_ahead_us)
        return bytes_refuse(in, "it was kept for events up to %lld ahead, not %lld", (long long)ahead,
                            (long long)state->options.max_ahead_us);
    bool learns = bytes_get_u8(in);
    if (in->rc == OK && learns != state->options.learns)
        return bytes_refuse(in, learns ? "it was kept for labels that come later"
                                       : "it was kept without labels that come later");
    bool forgets = bytes_get_u8(in);
    if (in->rc == OK && forgets != state->options.forgets)
        return bytes_refuse(in, forgets ? "it was kept so that events can be erased"
                                        : "it was kept so that events cannot be erased");
    state->high_water = bytes_get_i64(in);
    state->started = bytes_get_u8(in);
    state->least_ahead = bytes_get_i64(in);
    state->n_ahead = bytes_get_i64(in);
    state->arrival = bytes_get_i64(in);
    if (state->high_water > LIMIT_EVENT_TIME || state->high_water < -LIMIT_EVENT_TIME)
        return bytes_refuse(in, "the high water is out of range");
    if (state->least_ahead > LIMIT_EVENT_TIME || state->least_ahead < -LIMIT_EVENT_TIME ||
        state->n_ahead < 0 || state->n_ahead >= LIMIT_AHEAD_IN_A_ROW)
        return bytes_refuse(in, "what is ahead of the high water is out of range");
    state->counters.events = bytes_get_i64(in);
    state->counters.late = bytes_get_i64(in);
    state->counters.too_late = bytes_get_i64(in);
    state->counters.ahead = bytes_get_i64(in);
    state->counters.filtered = bytes_get_i64(in);
    state->counters.expression_errors = bytes_get_i64(in);
    state->counters.learnt = bytes_get_i64(in);
    state->counters.outlived = bytes_get_i64(in);
    return in->rc == OK;
}

static bool load_key(struct state *state, const struct layout *layout, const struct renumbering *texts,
                     uint64_t *key, struct bytes_in *in)
{
    if (!bytes_get(in, key, (size_t)layout->n_words * 8))
        return false;
    uint64_t nulls = key[layout->n_words - 1];
    for (int t = 0; t < layout->n_text_keys; t++)
        if (!(nulls >> layout->text_keys[t].part & 1) &&
            !renumber(texts, state->strings, &key[layout->text_keys[t].word], in))
            return false;
    return true;
}

static bool load_entity(struct state *state, struct staged *staged, const struct renumbering *texts,
                        struct bytes_in *in)
{
    uint64_t *key = staged->keys;
    bool new;
    if (!load_key(state, &staged->layout, texts, key, in))
        return false;
    uint64_t hash = entities_hash(key, staged->layout.n_words);
    int t = entities_owner(hash, state->threads);
    struct entity *entity = entities_find(staged->shares[t], hash, key, &new);
    if (!entity)
        return bytes_no_memory(in);
    if (!new)
        return bytes_refuse(in, "an entity is there twice");
    return entity_load(entities_share(staged->shares[t]), entity, texts, in);
}

bool state_load_entities(struct state *state, struct staged *staged, const struct renumbering *texts,
                         struct bytes_in *in)
{
    bool fine = in->rc == OK;
    while (fine) {
        uint8_t more = bytes_get_u8(in);
        if (in->rc != OK || more == 0)
            break;
        fine = more == 1 ? load_entity(state, staged, texts, in) : bytes_refuse(in, "no entity begins here");
    }
    return in->rc == OK;
}

static bool load_group(struct state *state, struct staged *staged, const struct renumbering *texts,
                       struct bytes_in *in)
{
    uint64_t shape = bytes_get_u64(in);
    if (in->rc == OK && shape != entity_shape(&staged->layout))
        return bytes_refuse(in, "another version of shrike lays these windows out in another way");
    return state_load_entities(state, staged, texts, in);
}

int state_load(struct state *state, bytes_read *read, void *context, struct error *error)
{
    struct bytes_in in;
    struct renumbering texts = {0};
    if (state->counters.events || state->failed)
        return error_set(error, CODE_INTERNAL, "a state is loaded into one that has taken nothing");
    int rc = bytes_in_init(&in, read, context, error);
    if (rc != OK)
        return rc;
    int64_t spilled = exact_spilled();
    bool fine = load_header(state, &in);
    if (fine && state->strings)
        fine = strings_load(state->strings, &texts, &in);
    for (size_t g = 0; fine && g < state->plan->n_groups; g++)
        fine = load_group(state, &state->groups[g], &texts, &in);
    fine = fine && bytes_at_end(&in);
    for (size_t i = 0; i < texts.n; i++)
        strings_release(state->strings, texts.now[i]);
    renumbering_done(&texts);
    /* On whichever thread a sum spills later: together they make the bytes. */
    if (state->plan->n_groups)
        entities_share(state->groups[0].shares[0])->bytes += exact_spilled() - spilled;
    /* What was read halfway is of no use, but it can be freed. */
    state->failed = !fine;
    bytes_in_done(&in);
    return in.rc;
}
