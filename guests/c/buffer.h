// A text that grows. It owns its bytes until they are taken out of it, and it knows nothing of the contract.
#pragma once

#include "span.h"
#include <stdint.h>

// Empty when all is zero.
struct buffer {
    char *at;
    size_t length;
    size_t capacity;
};

// Memory for `count` things of `size` bytes, all zero. There is no way to go on without it: it traps.
void *allocate(size_t count, size_t size);

void buffer_add(struct buffer *buffer, struct span text);
void buffer_add_text(struct buffer *buffer, const char *text);
// In decimal.
void buffer_add_number(struct buffer *buffer, uint64_t number);

// What it holds; valid until it is changed.
struct span buffer_span(const struct buffer *buffer);

void buffer_free(struct buffer *buffer);
