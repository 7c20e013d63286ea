/* What `shrike evaluate` prints: a table that a person reads in ten seconds. Threads: none shared. */
#ifndef SHRIKE_CLI_EVALUATE_TEXT_H
#define SHRIKE_CLI_EVALUATE_TEXT_H

#include "monitor/report.h"

/* Appends the text without a newline at its end. html_path: where the HTML report is, or NULL. */
int evaluate_text(const struct report *report, const char *html_path, struct buffer *out,
                  struct error *error);

#endif
