#include "cli/run_follow.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum { KEY_SIZE = 256 };

struct run_follow {
    const struct arguments *arguments;
    struct plan *plan; /* that a version must have */
    int reasons;
    char identity[FILE_SHA256_SIZE]; /* of the version that decides, or was handed over last */
    char key[KEY_SIZE];              /* where MODEL pointed when it was last loaded */
    bool polls, lost;                /* lost: MODEL could not be found the last time */
    pthread_t thread;
    pthread_mutex_t lock;
    _Atomic bool ready, ends;
    struct scorer next; /* lock */
    struct engine_options options;
};

/* A handler, and not a wait for a blocked signal: libraries have threads that nobody asked whether they block
 * it. */
static sem_t hangups;

static void note_hangup(int number)
{
    int saved = errno;
    (void)number;
    sem_post(&hangups);
    errno = saved;
}

void run_follow_prepare(void)
{
    struct sigaction action = {.sa_handler = note_hangup, .sa_flags = SA_RESTART};
    sem_init(&hangups, 0, 0);
    sigaction(SIGHUP, &action, NULL);
}

/* Was it asked for? False: a second has passed. */
static bool wait_for_hangup(bool polls)
{
    struct timespec until;
    int failed;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec++;
    do {
        failed = polls ? sem_timedwait(&hangups, &until) : sem_wait(&hangups);
    } while (failed && errno == EINTR);
    return !failed;
}

/* ---- the thread ---- */

/* Where MODEL points now. */
static bool look_up(struct run_follow *follow, char key[KEY_SIZE])
{
    struct place place = {0};
    struct error error = {0};
    const char *model = argument_positional(follow->arguments, 0);
    if (place_find(model, argument_text(follow->arguments, "registry"), &place, &error) != OK) {
        if (!follow->lost)
            log_line(LOG_WARNING, "%s is no longer found, and who decides goes on: %s", model, error.message);
        follow->lost = true;
        return false;
    }
    follow->lost = false;
    snprintf(key, KEY_SIZE, "%.100s/%d/%s", place.name, place.number, place.manifest_sha256);
    place_done(&place);
    return true;
}

static int load(struct run_follow *follow, struct scorer *ret, struct engine_options *ret_options,
                struct error *error)
{
    int rc = scorer_open_version(follow->arguments, follow->reasons, 1, ret, ret_options, error);
    if (rc == OK && strcmp(plan_hash(ret->version.plan), plan_hash(follow->plan)) != 0) {
        scorer_close(ret);
        rc = error_set(error, CODE_CONFLICT,
                       "its plan is another; it can take over at a start, with --backfill");
    }
    return rc;
}

static void hand_over(struct run_follow *follow, struct scorer *scorer, const struct engine_options *options)
{
    pthread_mutex_lock(&follow->lock);
    scorer_close(&follow->next);
    follow->next = *scorer;
    follow->options = *options;
    pthread_mutex_unlock(&follow->lock);
    atomic_store_explicit(&follow->ready, true, memory_order_release);
}

static void reload(struct run_follow *follow, bool asked)
{
    struct scorer scorer = {0};
    struct engine_options options;
    struct error error = {0};
    char identity[FILE_SHA256_SIZE], name[PATH_MAX];
    const char *model = argument_positional(follow->arguments, 0);
    if (load(follow, &scorer, &options, &error) != OK) {
        log_line(LOG_WARNING, "%s does not take over, and who decides goes on: %s", model, error.message);
        return;
    }
    scorer_identity(&scorer, &options, identity);
    if (strcmp(identity, follow->identity) == 0) {
        if (asked)
            log_line(LOG_INFO, "%s is the version that decides already", model);
        scorer_close(&scorer);
        return;
    }
    memcpy(follow->identity, identity, sizeof identity);
    scorer_name(&scorer, name, sizeof name);
    hand_over(follow, &scorer, &options);
    log_line(LOG_INFO, "%s is loaded, and decides from the next event on", name);
}

static void *keep_looking(void *argument)
{
    struct run_follow *follow = argument;
    while (!atomic_load_explicit(&follow->ends, memory_order_acquire)) {
        char key[KEY_SIZE];
        bool asked = wait_for_hangup(follow->polls);
        if (atomic_load_explicit(&follow->ends, memory_order_acquire) || !look_up(follow, key))
            continue;
        if (!asked && strcmp(key, follow->key) == 0)
            continue;
        memcpy(follow->key, key, sizeof key);
        reload(follow, asked);
    }
    return NULL;
}

/* ---- */

int run_follow_start(const struct arguments *arguments, const struct scorer *decides,
                     const struct engine_options *options, struct run_follow **ret, struct error *error)
{
    struct run_follow *follow = memory_new(1, sizeof *follow);
    if (!follow)
        return error_set(error, CODE_MEMORY, "no memory to follow the model");
    follow->arguments = arguments;
    follow->plan = plan_ref(decides->version.plan);
    follow->reasons = options->reasons;
    follow->polls = argument_flag(arguments, "follow");
    scorer_identity(decides, options, follow->identity);
    pthread_mutex_init(&follow->lock, NULL);
    if (!look_up(follow, follow->key))
        follow->key[0] = 0;
    int number = pthread_create(&follow->thread, NULL, keep_looking, follow);
    if (number) {
        pthread_mutex_destroy(&follow->lock);
        plan_unref(follow->plan);
        free(follow);
        return error_set_errno(error, number, "cannot start a thread that follows the model");
    }
    *ret = follow;
    return OK;
}

void run_follow_stop(struct run_follow *follow)
{
    if (!follow)
        return;
    atomic_store_explicit(&follow->ends, true, memory_order_release);
    sem_post(&hangups);
    pthread_join(follow->thread, NULL);
    scorer_close(&follow->next);
    pthread_mutex_destroy(&follow->lock);
    plan_unref(follow->plan);
    free(follow);
}

bool run_follow_next(struct run_follow *follow, struct scorer *ret, struct engine_options *ret_options)
{
    if (!atomic_load_explicit(&follow->ready, memory_order_acquire))
        return false;
    pthread_mutex_lock(&follow->lock);
    atomic_store_explicit(&follow->ready, false, memory_order_relaxed);
    *ret = follow->next;
    *ret_options = follow->options;
    follow->next = (struct scorer){0};
    pthread_mutex_unlock(&follow->lock);
    return ret->version.plan != NULL;
}
