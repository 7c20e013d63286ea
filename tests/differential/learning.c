/* Labels that come later than their events. */
#include "differential/later.h"

void compare_learning(struct trial *trial)
{
    struct labels labels;
    if (!can_learn(trial->plan))
        return;
    labels_make(&trial->random, &trial->made, trial->plan, &labels);
    compare_later(trial, &(struct later){.labels = &labels}, "labels");
    compare_book(trial, &labels);
    trial->run->taught++;
    trial->run->labels += labels.n;
    labels_done(&labels);
}
