/*
 * Random numbers by counter: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as
 * 1, 2, 3; SC 2011). A block of 128 random bits is a function of a key (the seed) and a counter, so each
 * thing that is drawn has a stream of its own, named by (purpose, a, b), and no stream can meet another.
 * What is drawn for one customer on one day does not depend on who else was drawn before: any number of
 * threads gives the same output.
 *
 *   counter word:  0 = block within the stream, 1 = a, 2 = b, 3 = purpose
 *
 * Only additions, multiplications, divisions and square roots are used, which IEEE 754 defines to the bit;
 * logarithm, exponential, sine and cosine are computed here, because those of the C library differ between
 * versions and processors.
 *
 * Threads: a struct random belongs to one thread. Nothing allocates, nothing fails.
 */
#ifndef SHRIKE_STREAM_RANDOM_H
#define SHRIKE_STREAM_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct random {
    uint32_t key[2], counter[4];
    uint64_t spare;
    bool has_spare;
};

static inline void random_block(const uint32_t key[2], const uint32_t counter[4], uint32_t ret[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = UINT64_C(0xD2511F53) * c0, p1 = UINT64_C(0xCD9E8D57) * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9U;
        k1 += 0xBB67AE85U;
    }
    ret[0] = c0;
    ret[1] = c1;
    ret[2] = c2;
    ret[3] = c3;
}

static inline struct random random_stream(uint64_t seed, uint32_t purpose, uint32_t a, uint32_t b)
{
    return (struct random){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .counter = {0, a, b, purpose}};
}

static inline uint64_t random_bits(struct random *random)
{
    if (random->has_spare) {
        random->has_spare = false;
        return random->spare;
    }
    uint32_t block[4];
    random_block(random->key, random->counter, block);
    random->counter[0]++;
    random->spare = (uint64_t)block[3] << 32 | block[2];
    random->has_spare = true;
    return (uint64_t)block[1] << 32 | block[0];
}

/* Uniform in [0, 1), 53 bits. */
static inline double random_unit(struct random *random)
{
    return (double)(random_bits(random) >> 11) * 0x1p-53;
}

static inline double random_between(struct random *random, double from, double to)
{
    return from + (to - from) * random_unit(random);
}

/* Uniform in 0..n-1; the product's bias of n / 2^64 is out of reach of any test. */
static inline uint32_t random_below(struct random *random, uint32_t n)
{
    return (uint32_t)((unsigned __int128)random_bits(random) * n >> 64);
}

/* Natural logarithm of a normal number > 0, within a relative 1e-15: x = m 2^e with m in [1/sqrt 2, sqrt
 * 2), log m = 2 atanh((m - 1) / (m + 1)) as a series that ends where its next term is below 2^-56. */
static inline double random_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t e = (int64_t)(bits - UINT64_C(0x3fe6a09e667f3bcd)) >> 52; /* less the bits of 1/sqrt 2 */
    bits -= (uint64_t)e << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    /* Written out, because a loop over k costs a division each. */
    double t = (m - 1) / (m + 1), z = t * t;
    double sum = (((1.0 / 21 * z + 1.0 / 19) * z + 1.0 / 17) * z + 1.0 / 15) * z + 1.0 / 13;
    sum = ((((sum * z + 1.0 / 11) * z + 1.0 / 9) * z + 1.0 / 7) * z + 1.0 / 5) * z + 1.0 / 3;
    sum = sum * z + 1;
    return (double)e * 0x1.62e42fefa39efp-1 + 2 * t * sum;
}

/* e^-x for 0 <= x <= 64: the series for x / 64, then six squarings. */
static inline double random_exp_negative(double x)
{
    double y = -x / 64, sum = 1;
    for (int k = 18; k > 0; k--)
        sum = 1 + sum * y / k;
    for (int k = 0; k < 6; k++)
        sum *= sum;
    return sum;
}

/* 32 random bits to (0, 1), the middle of each of 2^32 steps: never 0. */
static inline double random_open_unit(uint32_t bits)
{
    return (bits + 0.5) * 0x1p-32;
}

/* Sine and cosine of an angle within [-pi/4, pi/4], within 2e-15: the series to their 8th terms. */
static inline void random_sine_cosine(double x, double *ret_sine, double *ret_cosine)
{
    double z = x * x;
    double sine = ((-1.0 / 1307674368000 * z + 1.0 / 6227020800) * z - 1.0 / 39916800) * z + 1.0 / 362880;
    double cosine = ((-1.0 / 87178291200 * z + 1.0 / 479001600) * z - 1.0 / 3628800) * z + 1.0 / 40320;
    sine = ((sine * z - 1.0 / 5040) * z + 1.0 / 120) * z - 1.0 / 6;
    cosine = ((cosine * z - 1.0 / 720) * z + 1.0 / 24) * z - 1.0 / 2;
    *ret_sine = x + x * z * sine;
    *ret_cosine = 1 + z * cosine;
}

/* Two independent standard normal numbers from 64 bits (Box, Muller), at most 6.8 in size. No branch
 * depends on the bits, so that the draws of a loop overlap: a quarter of the angle has a short series,
 * and twice doubled it goes once around the circle. */
static inline void random_normal_pair(uint32_t radius, uint32_t angle, double *ret_a, double *ret_b)
{
    double r = sqrt(-2 * random_log(random_open_unit(radius))), sine, cosine;
    random_sine_cosine((random_open_unit(angle) - 0.5) * 0x1.921fb54442d18p+0, &sine, &cosine);
    double half_sine = 2 * sine * cosine, half_cosine = 1 - 2 * sine * sine;
    *ret_a = r * 2 * half_sine * half_cosine;
    *ret_b = r * (1 - 2 * half_sine * half_sine);
}

/* Poisson number by inversion of one uniform; exp_negative_mean = e^-mean, mean at most about 30. */
static inline int random_poisson(struct random *random, double mean, double exp_negative_mean, int maximum)
{
    double u = random_unit(random), p = exp_negative_mean, sum = p;
    int n = 0;
    while (u >= sum && n < maximum) {
        n++;
        p *= mean / n;
        sum += p;
    }
    return n;
}

#endif
