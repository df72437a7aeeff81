// A part of a text that somebody else owns: nothing to free, and not longer there than its owner.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *at;
    size_t length;
};

static inline struct span span_of(const char *text) {
    return (struct span){text, strlen(text)};
}

static inline bool span_is(struct span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.at, text, span.length) == 0;
}
