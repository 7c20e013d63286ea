#include "differential/big.h"

#include <math.h>
#include <string.h>

/* digits += magnitude * 2^bit, bit by bit position of its digit. */
static void add(uint32_t *digits, unsigned __int128 magnitude, int bit)
{
    for (int i = 0; i < 128; i++) {
        if (!(magnitude >> i & 1))
            continue;
        int at = bit + i - BIG_LOWEST;
        uint64_t carry = UINT64_C(1) << (at % 32);
        for (int digit = at / 32; carry; digit++) {
            carry += digits[digit];
            digits[digit] = (uint32_t)carry;
            carry >>= 32;
        }
    }
}

void big_add_double(struct big *big, double value)
{
    int exponent;
    if (isnan(value)) {
        big->nan++;
    } else if (isinf(value)) {
        *(value > 0 ? &big->infinite : &big->minus_infinite) += 1;
    } else {
        double mantissa = frexp(fabs(value), &exponent);
        add(value < 0 ? big->negative : big->positive, (unsigned __int128)ldexp(mantissa, 53), exponent - 53);
    }
}

void big_add_wide(struct big *big, __int128 value)
{
    if (value < 0)
        add(big->negative, -(unsigned __int128)value, 0);
    else
        add(big->positive, (unsigned __int128)value, 0);
}

/* |positive - negative|; true if negative. */
static bool difference(const struct big *big, uint32_t *ret)
{
    const uint32_t *larger = big->positive, *smaller = big->negative;
    bool negative = false;
    for (int i = BIG_DIGITS - 1; i >= 0; i--)
        if (big->positive[i] != big->negative[i]) {
            negative = big->positive[i] < big->negative[i];
            break;
        }
    if (negative)
        larger = big->negative, smaller = big->positive;
    int64_t borrow = 0;
    for (int i = 0; i < BIG_DIGITS; i++) {
        int64_t digit = (int64_t)larger[i] - smaller[i] - borrow;
        borrow = digit < 0;
        ret[i] = (uint32_t)digit;
    }
    return negative;
}

/* True if something was left over. */
static bool divide(uint32_t *digits, uint32_t divisor)
{
    uint64_t rest = 0;
    for (int i = BIG_DIGITS - 1; i >= 0; i--) {
        rest = rest << 32 | digits[i];
        digits[i] = (uint32_t)(rest / divisor);
        rest %= divisor;
    }
    return rest != 0;
}

static bool bit_at(const uint32_t *digits, int bit)
{
    return digits[bit / 32] >> (bit % 32) & 1;
}

static double to_double(const uint32_t *digits, bool rest)
{
    int top = BIG_DIGITS * 32 - 1;
    while (top >= 0 && !bit_at(digits, top))
        top--;
    if (top < 0)
        return 0;
    int lowest = top - 52, subnormal = -1074 - BIG_LOWEST; /* a double has no bits below 2^-1074 */
    if (lowest < subnormal)
        lowest = subnormal;
    uint64_t mantissa = 0;
    for (int bit = top; bit >= lowest; bit--)
        mantissa = mantissa << 1 | bit_at(digits, bit);
    for (int bit = 0; bit < lowest - 1; bit++)
        rest |= bit_at(digits, bit);
    if (bit_at(digits, lowest - 1) && (rest || mantissa % 2 == 1))
        mantissa++;
    return ldexp((double)mantissa, lowest + BIG_LOWEST);
}

double big_quotient(const struct big *big, int64_t n, int scale)
{
    uint32_t digits[BIG_DIGITS];
    if (big->nan || (big->infinite && big->minus_infinite))
        return NAN;
    if (big->infinite || big->minus_infinite)
        return big->infinite ? INFINITY : -INFINITY;
    bool negative = difference(big, digits), rest = divide(digits, (uint32_t)n);
    for (int i = 0; i < scale; i++)
        rest |= divide(digits, 10);
    double value = to_double(digits, rest);
    return negative ? -value : value;
}

bool big_wide(const struct big *big, __int128 *ret)
{
    uint32_t digits[BIG_DIGITS];
    bool negative = difference(big, digits);
    unsigned __int128 value = 0;
    for (int bit = -BIG_LOWEST + 127; bit < BIG_DIGITS * 32; bit++)
        if (bit_at(digits, bit))
            return false;
    for (int i = 126; i >= 0; i--)
        value = value << 1 | bit_at(digits, -BIG_LOWEST + i);
    *ret = negative ? -(__int128)value : (__int128)value;
    return true;
}
