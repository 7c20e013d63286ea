/*
 * One entity: its retained events and what runs along with its frames. Internal to feature/.
 *
 * An event that is the newest of its entity (the common case) is appended, each frame's cursors move forward,
 * and what passes them is added to and removed from the frame's sums: amortised O(1) per event and frame. A
 * late event is inserted at its place; the frames that cover it gain it. For its own windows, which lie in
 * the past, the frames step back to it, are read, and step forward again: that costs what happened since, not
 * the window's length. Because sums are exact, all ways end in the same bits.
 */
#ifndef SHRIKE_FEATURE_ENTITY_H
#define SHRIKE_FEATURE_ENTITY_H

#include "feature/layout.h"
#include "feature/pool.h"
#include "feature/ring.h"

struct strings;

/* What the entities of one group and one share of the keys have together. One owner at a time. */
struct share {
    const struct layout *layout;
    struct strings *strings; /* of VARCHAR keys and values; NULL without */
    struct pool pool;        /* rings and extremes */
    int64_t bytes;           /* maps and what sums spilled into, now */
    /* For events that are not the newest: cursors before they came, and of their own windows. */
    uint32_t *lows, *highs, *view_lows, *view_highs;
    bool *fed, *inside; /* per end, per frame: is the event part of where the frames stand? */
    char *alone;        /* an entity's block: accumulators of nothing but the event itself */
    char *event;        /* one that is not in any ring */
};

int share_init(const struct layout *layout, struct strings *strings, struct share *ret, struct error *error);
void share_done(struct share *share);
/* Releases the texts of a key. */
void share_drop_key(const struct share *share, const uint64_t *key);

/* The floor of an event that is ahead of its time: like one that is too late it is in no window but its own.
 */
#define FLOOR_AHEAD INT64_MAX

/* An event as it goes into a ring. values: 16 bytes per slot; a text is a number of the strings, held once
 * for the event, and taken over. */
struct arrival {
    int64_t time, floor; /* floor: high water - lateness */
    uint32_t number;     /* where the layout has room for it */
    uint64_t marks;
    const union value *values;
};

static inline void event_put(const struct layout *layout, char *event, const struct arrival *arrival)
{
    memcpy(event, &arrival->time, sizeof arrival->time);
    for (int i = 0; i < layout->n_stored; i++) {
        const struct stored *stored = &layout->stored[i];
        pack_put(event + stored->offset, stored->pack, &arrival->values[stored->slot]);
    }
    if (layout->arrival_offset)
        memcpy(event + layout->arrival_offset, &arrival->number, sizeof arrival->number);
    event_put_marks(layout, event, arrival->marks);
}

/* Where an event's windows are read from. */
struct view {
    const struct entity *entity;
    const uint32_t *lows, *highs;
    uint32_t position;   /* of the event */
    bool late, too_late; /* not the newest of its entity; before its floor */
    bool outside;        /* it leaves again: too late, or ahead */
};

/* Takes one event; its windows may be read from the view until entity_settle. False: no memory, and the
 * entity can no longer be used. */
bool entity_take(struct share *share, struct entity *entity, const struct arrival *arrival, struct view *ret);
/* After a late view was read: the frames go back to where they stood, a too late event out again. */
bool entity_settle(struct share *share, struct entity *entity, const struct view *view);

/* A late column of an event is known: `now` is what the event is with it, `before` what the entity has known
 * it as. The event was taken, and was not too late. From here on the entity is what it would be if the event
 * had come like that. Only slots of layout->late matter. Texts stay the caller's. False: no memory, and the
 * entity can no longer be used. */
bool entity_learn(struct share *share, struct entity *entity, const struct arrival *before,
                  const struct arrival *now);

/* The position of a retained event, by its time and number; false: it is not retained. Layouts whose events
 * have a number only. */
bool entity_find(const struct layout *layout, const struct entity *entity, const struct arrival *arrival,
                 uint32_t *ret);

/* n events that were taken, and were not too late: from here on the entity is what it would be without them,
 * but for the time that its frames stand at. Of those that are not retained any more, the values leave the
 * sums of frames without a start where `sums` says so. ret_retained: per event. Texts stay the caller's.
 * False: no memory, and the entity can no longer be used. */
bool entity_erase(struct share *share, struct entity *entity, const struct arrival *arrivals, int64_t n,
                  bool sums, bool *ret_retained);
/* Is there nothing that an event to come could see? */
bool entity_is_empty(const struct layout *layout, const struct entity *entity);
/* Windows whose frames without a start may still say what an event was that is not retained any more: sets
 * ret[window]. */
void entity_traces(const struct layout *layout, const struct strings *strings, const struct entity *entity,
                   const struct arrival *arrival, bool *ret);

/* Asks memory for what taking these rows' events will touch: the newest events, where the frames' cursors
 * stand, and what is looked up for the values that arrive. True: for events in pages, and for those with an
 * arriving value, there is more to ask for, once that has come. */
bool entity_prefetch(const struct layout *layout, struct entity *const *entities, const union value *values,
                     const uint32_t *rows, int n);
void entity_prefetch_more(const struct layout *layout, struct entity *const *entities,
                          const union value *values, const uint32_t *rows, int n);

/* Can no event at or after `floor` see any of its events? */
static inline bool entity_is_quiet(const struct layout *layout, const struct entity *entity, int64_t floor)
{
    return entity->position < floor - layout->retain;
}
/* Such an entity forgets them. True where nothing is left and it may go. */
bool entity_forget_quiet(struct share *share, struct entity *entity, int64_t floor);
/* Makes blocks smaller that are hardly used, and lets the pool move them together. */
void entity_tidy(struct share *share, struct entity *entity);
/* Nothing but its key; the place is the layout's entity_size. */
void entity_init(const struct layout *layout, const uint64_t *key, struct entity *ret);
/* Gives all of its memory back, key texts too. */
void entity_done(struct share *share, struct entity *entity);
/* Releases the texts of a retained event. */
void share_drop_texts(const struct share *share, const char *event);

/* Writes the result of every window of the group to row `i` of its vector (struct reading, out). A sum beyond
 * its type is an error, an aggregate over nothing but count NULL. */
void view_read(const struct share *share, const struct view *view, int64_t i);

#endif
