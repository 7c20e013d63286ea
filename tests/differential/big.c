#include "differential/big.h"

#include <math.h>
#include <string.h>

/* digits += magnitude * 2^bit, bit by bit position of its digit; bit counts from the lowest. */
static void add(uint32_t *digits, unsigned __int128 magnitude, int bit)
{
    for (int i = 0; i < 128; i++) {
        if (!(magnitude >> i & 1))
            continue;
        int at = bit + i;
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
        add(value < 0 ? big->negative : big->positive, (unsigned __int128)ldexp(mantissa, 53),
            exponent - 53 - BIG_LOWEST);
    }
}

void big_add_wide(struct big *big, __int128 value)
{
    if (value < 0)
        add(big->negative, -(unsigned __int128)value, -BIG_LOWEST);
    else
        add(big->positive, (unsigned __int128)value, -BIG_LOWEST);
}

/* ret = larger - smaller */
static void subtract(const uint32_t *larger, const uint32_t *smaller, int n, uint32_t *ret)
{
    int64_t borrow = 0;
    for (int i = 0; i < n; i++) {
        int64_t digit = (int64_t)larger[i] - smaller[i] - borrow;
        borrow = digit < 0;
        ret[i] = (uint32_t)digit;
    }
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
    subtract(larger, smaller, BIG_DIGITS, ret);
    return negative;
}

/* True if something was left over. */
static bool divide(uint32_t *digits, int n, uint32_t divisor)
{
    uint64_t rest = 0;
    for (int i = n - 1; i >= 0; i--) {
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

/* The lowest bit is worth 2^unit. */
static double to_double(const uint32_t *digits, int n, int unit, bool rest)
{
    int top = n * 32 - 1;
    while (top >= 0 && !bit_at(digits, top))
        top--;
    if (top < 0)
        return 0;
    int lowest = top - 52, subnormal = -1074 - unit; /* a double has no bits below 2^-1074 */
    if (lowest < subnormal)
        lowest = subnormal;
    uint64_t mantissa = 0;
    for (int bit = top; bit >= lowest; bit--)
        mantissa = mantissa << 1 | bit_at(digits, bit);
    for (int bit = 0; bit < lowest - 1; bit++)
        rest |= bit_at(digits, bit);
    if (bit_at(digits, lowest - 1) && (rest || mantissa % 2 == 1))
        mantissa++;
    return ldexp((double)mantissa, lowest + unit);
}

double big_quotient(const struct big *big, int64_t n, int scale)
{
    uint32_t digits[BIG_DIGITS];
    if (big->nan || (big->infinite && big->minus_infinite))
        return NAN;
    if (big->infinite || big->minus_infinite)
        return big->infinite ? INFINITY : -INFINITY;
    bool negative = difference(big, digits), rest = divide(digits, BIG_DIGITS, (uint32_t)n);
    for (int i = 0; i < scale; i++)
        rest |= divide(digits, BIG_DIGITS, 10);
    double value = to_double(digits, BIG_DIGITS, BIG_LOWEST, rest);
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

enum { SQUARE_DIGITS = 2 * BIG_DIGITS, SQUARE_LOWEST = 2 * BIG_LOWEST };

/* product += a * b, in SQUARE_DIGITS, which must do */
static void multiply(const uint32_t *a, int n_a, const uint32_t *b, int n_b, uint32_t *product)
{
    for (int i = 0; i < n_a; i++) {
        uint64_t carry = 0;
        for (int j = 0; i + j < SQUARE_DIGITS; j++) {
            carry += product[i + j] + (uint64_t)a[i] * (j < n_b ? b[j] : 0);
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
}

bool big_variance(const double *values, int64_t n, bool sample, double *ret)
{
    struct big sum = {0};
    uint32_t squares[SQUARE_DIGITS] = {0}, scaled[SQUARE_DIGITS] = {0}, square[SQUARE_DIGITS] = {0};
    uint32_t total[BIG_DIGITS], count = (uint32_t)n, degrees = count - sample;
    if (n < 1 + sample)
        return false;
    for (int64_t i = 0; i < n; i++) {
        int exponent;
        if (!isfinite(values[i])) {
            *ret = NAN;
            return true;
        }
        unsigned __int128 mantissa = (unsigned __int128)ldexp(frexp(fabs(values[i]), &exponent), 53);
        big_add_double(&sum, values[i]);
        add(squares, mantissa * mantissa, 2 * (exponent - 53) - SQUARE_LOWEST);
    }
    multiply(&count, 1, squares, SQUARE_DIGITS, scaled);
    difference(&sum, total);
    multiply(total, BIG_DIGITS, total, BIG_DIGITS, square);
    subtract(scaled, square, SQUARE_DIGITS, scaled);
    bool rest = divide(scaled, SQUARE_DIGITS, count);
    rest |= divide(scaled, SQUARE_DIGITS, degrees);
    *ret = to_double(scaled, SQUARE_DIGITS, SQUARE_LOWEST, rest);
    return true;
}
