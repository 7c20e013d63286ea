/* Lower and upper case of one character (a Unicode code point), as DuckDB's lower() and upper() have it. */
#ifndef SHRIKE_FEATURE_CASE_MAP_H
#define SHRIKE_FEATURE_CASE_MAP_H

#include <stddef.h>
#include <stdint.h>

uint32_t case_lower(uint32_t code);
uint32_t case_upper(uint32_t code);

#endif
