#include "monitor/html.h"

static const char *entity(unsigned char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? "&#xfffd;" : NULL;
    }
}

void html_text(struct buffer *out, const char *text)
{
    const char *plain = text;
    for (; *text; text++) {
        const char *replacement = entity((unsigned char)*text);
        if (!replacement)
            continue;
        buffer_append(out, plain, (size_t)(text - plain));
        buffer_text(out, replacement);
        plain = text + 1;
    }
    buffer_append(out, plain, (size_t)(text - plain));
}
