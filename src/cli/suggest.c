#include <stdio.h>
#include <string.h>

#include "cli/parse.h"

enum { LONGEST = 40 };

static int least(int a, int b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap of neighbours) from a to b: optimal string alignment. */
static int distance(const char *a, const char *b)
{
    int rows = (int)strlen(a), columns = (int)strlen(b);
    if (rows > LONGEST || columns > LONGEST)
        return LONGEST;
    int cost[LONGEST + 1][LONGEST + 1];
    for (int i = 0; i <= rows; i++)
        cost[i][0] = i;
    for (int j = 0; j <= columns; j++)
        cost[0][j] = j;
    for (int i = 1; i <= rows; i++)
        for (int j = 1; j <= columns; j++) {
            int replace = cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            cost[i][j] = least(replace, least(cost[i - 1][j], cost[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
        }
    return cost[rows][columns];
}

void suggestion_start(struct suggestion *suggestion, const char *text)
{
    int allowed = (int)strlen(text) / 3;
    *suggestion = (struct suggestion){.text = text,
                                      .best_distance = (allowed < 1   ? 1
                                                        : allowed > 3 ? 3
                                                                      : allowed) +
                                                       1};
}

void suggestion_offer(struct suggestion *suggestion, const char *name)
{
    size_t n = strlen(suggestion->text);
    int d = distance(suggestion->text, name);
    /* The beginning of a longer name is near however long the name is. */
    if (n >= 2 && strncmp(suggestion->text, name, n) == 0)
        d = least(d, 1);
    if (d < suggestion->best_distance) {
        suggestion->best_distance = d;
        suggestion->best = name;
    }
}

const char *suggestion_text(const struct suggestion *suggestion, char *buffer, int size)
{
    if (suggestion->best)
        snprintf(buffer, (size_t)size, "; did you mean '%s'?", suggestion->best);
    else
        buffer[0] = 0;
    return buffer;
}
