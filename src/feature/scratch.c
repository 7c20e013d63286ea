#include "feature/scratch.h"

#include <stdlib.h>

enum { FIRST_BYTES = 64 << 10 };

struct scratch_block {
    struct scratch_block *next;
    size_t used, size;
    char data[];
};

static struct scratch_block *add_block(struct scratch *scratch, size_t need)
{
    size_t size = scratch->bytes > FIRST_BYTES ? scratch->bytes : FIRST_BYTES;
    size = size > need ? size : need;
    struct scratch_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    *block = (struct scratch_block){.size = size};
    struct scratch_block **end = &scratch->first;
    while (*end)
        end = &(*end)->next;
    *end = block;
    scratch->bytes += size;
    return block;
}

char *scratch_take(struct scratch *scratch, size_t size)
{
    struct scratch_block *block = scratch->current;
    while (block && block->size - block->used < size)
        block = block->next;
    if (!block && !(block = add_block(scratch, size)))
        return NULL;
    scratch->current = block;
    char *taken = block->data + block->used;
    block->used += size;
    return taken;
}

void scratch_reset(struct scratch *scratch)
{
    for (struct scratch_block *block = scratch->first; block; block = block->next)
        block->used = 0;
    scratch->current = scratch->first;
}

void scratch_done(struct scratch *scratch)
{
    for (struct scratch_block *block = scratch->first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    *scratch = (struct scratch){0};
}
