#include "feature/ring.h"

uint32_t ring_search(const struct layout *layout, const struct entity *entity, int64_t time, bool after)
{
    uint32_t low = entity->first, n = ring_count(entity);
    while (n) {
        uint32_t half = n / 2;
        int64_t at = time_at(layout, entity, low + half);
        if (after ? at <= time : at < time) {
            low += half + 1;
            n -= half + 1;
        } else {
            n = half;
        }
    }
    return low;
}
