/*
 * Where callers wait for a batch. Other than with a condition variable, who wakes does not come back holding
 * the lock: of 64 that a flush has served, none needs it to see that, and they would only queue for it.
 *
 * Threads: any.
 */
#ifndef SHRIKE_JOURNAL_GATE_H
#define SHRIKE_JOURNAL_GATE_H

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct gate {
    _Atomic uint32_t openings;
};

/* Gives the lock back and waits until the gate is opened after that. May also return for no reason. */
static inline void gate_wait(struct gate *gate, pthread_mutex_t *lock)
{
    uint32_t seen = atomic_load_explicit(&gate->openings, memory_order_relaxed);
    pthread_mutex_unlock(lock);
    syscall(SYS_futex, &gate->openings, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

/* With the lock. Wakes all who wait, or one. */
static inline void gate_open(struct gate *gate, int most)
{
    atomic_fetch_add_explicit(&gate->openings, 1, memory_order_release);
    syscall(SYS_futex, &gate->openings, FUTEX_WAKE_PRIVATE, most, NULL, NULL, 0);
}

static inline void gate_open_to_all(struct gate *gate)
{
    gate_open(gate, INT_MAX);
}

#endif
