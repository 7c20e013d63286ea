#include "feature/limbs.h"

#include <math.h>

void limbs_add(uint64_t *limbs, int n, int bit, unsigned __int128 value, bool negative)
{
    int limb = bit / 64, shift = bit % 64;
    uint64_t parts[3] = {(uint64_t)value << shift, (uint64_t)(value >> 1 >> (63 - shift)),
                         shift ? (uint64_t)(value >> 64 >> (64 - shift)) : 0};
    uint64_t carry = 0;
    for (int i = limb; i < n; i++) {
        uint64_t part = i - limb < 3 ? parts[i - limb] : 0;
        uint64_t sum;
        if (negative) {
            bool borrow = __builtin_sub_overflow(limbs[i], part, &sum);
            borrow |= __builtin_sub_overflow(sum, carry, &limbs[i]);
            carry = borrow;
        } else {
            bool over = __builtin_add_overflow(limbs[i], part, &sum);
            over |= __builtin_add_overflow(sum, carry, &limbs[i]);
            carry = over;
        }
        if (!carry && i - limb >= 2)
            break;
    }
}

void limbs_multiply(uint64_t *limbs, int n, uint64_t factor)
{
    uint64_t carry = 0;
    for (int i = 0; i < n; i++) {
        unsigned __int128 product = (unsigned __int128)limbs[i] * factor + carry;
        limbs[i] = (uint64_t)product;
        carry = (uint64_t)(product >> 64);
    }
}

bool limbs_divide(uint64_t *limbs, int n, uint64_t divisor)
{
    uint64_t rest = 0;
    for (int i = n - 1; i >= 0; i--)
        limbs[i] = limbs_divide_two(rest, limbs[i], divisor, &rest);
    return rest != 0;
}

bool limbs_absolute(uint64_t *limbs, int n)
{
    bool negative = limbs[n - 1] >> 63;
    if (negative) {
        uint64_t carry = 1;
        for (int i = 0; i < n; i++) {
            limbs[i] = ~limbs[i] + carry;
            carry = carry && limbs[i] == 0;
        }
    }
    return negative;
}

/* The 64 bits from `bit` on. */
static uint64_t bits_from(const uint64_t *limbs, int n, int bit)
{
    int limb = bit / 64, shift = bit % 64;
    uint64_t low = limb < n ? limbs[limb] >> shift : 0;
    return shift && limb + 1 < n ? low | limbs[limb + 1] << (64 - shift) : low;
}

static bool any_below(const uint64_t *limbs, int bit)
{
    for (int i = 0; i < bit / 64; i++)
        if (limbs[i])
            return true;
    return (limbs[bit / 64] & ((UINT64_C(1) << (bit % 64)) - 1)) != 0;
}

double limbs_round(const uint64_t *limbs, int n, int unit, bool sticky)
{
    int limb = n - 1, smallest = -1074 - unit; /* the bit of the smallest double */
    assert(smallest > 0 && smallest <= 64 * n);
    while (limb >= 0 && !limbs[limb])
        limb--;
    if (limb < 0)
        return 0;
    int top = limb * 64 + 63 - __builtin_clzll(limbs[limb]);
    int last = top - 52 > smallest ? top - 52 : smallest; /* the bit that becomes the mantissa's lowest */
    uint64_t mantissa = bits_from(limbs, n, last);
    if ((bits_from(limbs, n, last - 1) & 1) && (sticky || (mantissa & 1) || any_below(limbs, last - 1)))
        mantissa++;
    return ldexp((double)mantissa, last + unit);
}
