/*
 * How the C interface fails: the inner code as the program's exit status, the inner error as the caller's.
 */
#ifndef SHRIKE_API_ANSWER_H
#define SHRIKE_API_ANSWER_H

#include "base/error.h"
#include "shrike/error.h"

/* What a public function returns for the inner code; fills the caller's error (NULL: not wanted) if it is not
 * OK. */
int api_answer(int rc, const struct error *from, struct shrike_error *to);

#endif
