/* HTML pieces that reports are made of. Threads: none shared. Memory: the caller's buffer. */
#ifndef SHRIKE_MONITOR_HTML_H
#define SHRIKE_MONITOR_HTML_H

#include "base/memory.h"

/* Appends text with & < > " ' escaped, so that it is safe in content and in quoted attributes. Control
 * characters, which HTML forbids, become U+FFFD. */
void html_text(struct buffer *out, const char *text);

#endif
