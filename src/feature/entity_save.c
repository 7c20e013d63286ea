#include "feature/entity_save.h"

#include "base/hash.h"
#include "feature/ring.h"

static uint64_t mix(uint64_t shape, uint64_t word)
{
    return hash_word(word, shape);
}

uint64_t entity_shape(const struct layout *layout)
{
    uint64_t shape = mix(0, (uint64_t)layout->n_words);
    shape = mix(shape, (uint64_t)layout->mark_width << 1 | layout->unbounded);
    shape = mix(shape, layout->arrival_offset > 0);
    for (int i = 0; i < layout->n_text_keys; i++)
        shape = mix(shape, (uint64_t)layout->text_keys[i].word);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        shape = mix(shape, (uint64_t)stored->slot << 8 | (uint64_t)stored->pack << 1 | stored->text);
    }
    for (int i = 0; i < layout->n_accumulators; i++) {
        const struct accumulator *accumulator = &layout->accumulators[i];
        if (layout->frames[accumulator->frame].unbounded)
            shape = mix(shape, (uint64_t)accumulator->slot << 8 | accumulator->kind);
    }
    for (int i = 0; i < layout->n_extremes; i++)
        if (layout->extremes[i].gone)
            shape = mix(shape, (uint64_t)layout->extremes[i].slot << 1 | (layout->extremes[i].sign > 0));
    for (int i = 0; i < layout->n_remembered; i++)
        shape = mix(shape, (uint64_t)layout->remembered[i].slot << 1 | layout->remembered[i].last);
    for (int i = 0; i < layout->n_maps; i++)
        shape = mix(shape, (uint64_t)layout->maps[i].slot << 8 | (uint64_t)layout->maps[i].shape.n_frames);
    return shape;
}

/* Many go at once: up to the ring's or a page's end. */
static void save_events(const struct layout *layout, const struct entity *entity, struct bytes_out *out)
{
    uint32_t block = entity->capacity < RING_PAGE ? entity->capacity : RING_PAGE;
    for (uint32_t position = entity->first; position != entity->end;) {
        uint32_t left = entity->end - position, room = block - (position & (block - 1));
        uint32_t n = left < room ? left : room;
        const char *event = event_at(layout, entity, position);
        position += n;
        bytes_put(out, event, n * layout->event_size);
    }
}

static void save_gone(const struct gone *gone, struct bytes_out *out)
{
    bytes_put_u8(out, (uint8_t)(gone->found | gone->is_null << 1));
    if (gone->found)
        bytes_put(out, &gone->value, sizeof gone->value);
}

static void save_accumulator(const struct accumulator *accumulator, const struct entity *entity,
                             struct bytes_out *out)
{
    const void *at = entity_at(entity, accumulator->offset);
    switch (accumulator->kind) {
    case ACCUMULATE_COUNT:
    case ACCUMULATE_LINKED:
    case ACCUMULATE_DISTINCT:
        bytes_put(out, at, sizeof(int64_t));
        break;
    case ACCUMULATE_SMALL:
        bytes_put(out, at, sizeof(struct small_sum));
        break;
    case ACCUMULATE_SQUARES:
        exact_squares_save(at, out);
        break;
    default:
        exact_save(at, out);
    }
}

/* What frames without a start keep. */
static void save_unbounded(const struct layout *layout, const struct entity *entity, struct bytes_out *out)
{
    bytes_put_i64(out, *entity_evicted(layout, entity));
    for (int i = 0; i < layout->n_extremes; i++)
        if (layout->extremes[i].gone)
            save_gone(entity_at(entity, layout->extremes[i].gone), out);
    for (int i = 0; i < layout->n_remembered; i++)
        save_gone(entity_at(entity, layout->remembered[i].offset), out);
    for (int i = 0; i < layout->n_accumulators; i++)
        if (layout->frames[layout->accumulators[i].frame].unbounded)
            save_accumulator(&layout->accumulators[i], entity, out);
    for (int i = 0; i < layout->n_maps; i++)
        distinct_save(&layout->maps[i].shape, entity_at(entity, layout->maps[i].offset), out);
}

void entity_save(const struct layout *layout, const struct entity *entity, struct bytes_out *out)
{
    bytes_put_i64(out, entity->position);
    bytes_put_u32(out, ring_count(entity));
    save_events(layout, entity, out);
    if (layout->unbounded)
        save_unbounded(layout, entity, out);
}
