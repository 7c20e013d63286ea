/*
 * Long integers for exact arithmetic: 64-bit limbs, least significant first, two's complement, as many as the
 * caller gives; and the one rounding to double at the end.
 *
 * Threads: no state. Memory: the caller's.
 */
#ifndef SHRIKE_FEATURE_LIMBS_H
#define SHRIKE_FEATURE_LIMBS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* limbs +- value * 2^bit, modulo 2^(64 * n). */
void limbs_add(uint64_t *limbs, int n, int bit, unsigned __int128 value, bool negative);
/* limbs * factor, modulo 2^(64 * n). */
void limbs_multiply(uint64_t *limbs, int n, uint64_t factor);
/* limbs / divisor, limbs not negative; true if something was left over. */
bool limbs_divide(uint64_t *limbs, int n, uint64_t divisor);
/* |limbs|; true if it was negative. */
bool limbs_absolute(uint64_t *limbs, int n);
/* limbs * 2^unit (and a bit below if sticky) to the nearest double, ties to even; limbs not negative, unit
 * below -1074. Subnormals lose bits before the rounding, not after. */
double limbs_round(const uint64_t *limbs, int n, int unit, bool sticky);

/* A power of two that is a normal double. */
static inline double limbs_power2(int exponent)
{
    assert(exponent >= -1022 && exponent <= 1023);
    uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* |value| = the result * 2^*ret_exponent, for finite values; the exponent is at least -1074. */
static inline uint64_t limbs_mantissa(double value, int *ret_exponent)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int exponent = (int)(bits >> 52 & 2047);
    uint64_t mantissa = bits & ((UINT64_C(1) << 52) - 1);
    *ret_exponent = exponent ? exponent - 1075 : -1074;
    return exponent ? mantissa | UINT64_C(1) << 52 : mantissa;
}

static inline unsigned __int128 limbs_magnitude(__int128 value)
{
    return value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
}

static inline int limbs_bits(unsigned __int128 value)
{
    uint64_t high = (uint64_t)(value >> 64), low = (uint64_t)value;
    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/* high:low / divisor, where high < divisor: one instruction where the processor has it. */
static inline uint64_t limbs_divide_two(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *ret_rest)
{
#if defined(__x86_64__)
    uint64_t quotient;
    __asm__("divq %4" : "=a"(quotient), "=d"(*ret_rest) : "0"(low), "1"(high), "r"(divisor) : "cc");
    return quotient;
#else
    unsigned __int128 value = (unsigned __int128)high << 64 | low;
    *ret_rest = (uint64_t)(value % divisor);
    return (uint64_t)(value / divisor);
#endif
}

/* value (and a bit below if sticky, and then value >= 2^127) / divisor * 2^unit, rounded once. The value is
 * shifted so that the quotient has 63 or 64 bits: ten more than a double keeps; what is lost at either end
 * only has to be known to be there. divisor < 2^63; the result is normal or 0. */
static inline double limbs_quotient(unsigned __int128 value, bool sticky, uint64_t divisor, int unit)
{
    if (!value)
        return 0;
    uint64_t rest;
    int shift = 63 + 64 - __builtin_clzll(divisor) - limbs_bits(value);
    if (shift >= 0) {
        value <<= shift;
    } else {
        sticky |= (value & (((unsigned __int128)1 << -shift) - 1)) != 0;
        value >>= -shift;
    }
    uint64_t quotient = limbs_divide_two((uint64_t)(value >> 64), (uint64_t)value, divisor, &rest);
    sticky |= rest != 0;
    int drop = 64 - __builtin_clzll(quotient) - 53;
    uint64_t mantissa = quotient >> drop, half = UINT64_C(1) << (drop - 1),
             below = quotient & ((half << 1) - 1);
    mantissa += below > half || (below == half && (sticky || (mantissa & 1)));
    return (double)mantissa * limbs_power2(drop - shift + unit);
}

#endif
