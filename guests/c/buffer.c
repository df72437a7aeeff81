#include "buffer.h"
#include <stdlib.h>

// What a buffer begins with: most messages and params fit.
static const size_t CAPACITY_FIRST = 128;

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL && count != 0 && size != 0) __builtin_trap();
    return memory;
}

static void make_room(struct buffer *buffer, size_t more) {
    if (more > SIZE_MAX / 2 - buffer->length) __builtin_trap();
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity) return;
    size_t capacity = buffer->capacity == 0 ? CAPACITY_FIRST : buffer->capacity;
    while (capacity < needed) capacity *= 2;
    char *grown = realloc(buffer->at, capacity);
    if (grown == NULL) __builtin_trap();
    buffer->at = grown;
    buffer->capacity = capacity;
}

void buffer_add(struct buffer *buffer, struct span text) {
    if (text.length == 0) return;
    make_room(buffer, text.length);
    memcpy(buffer->at + buffer->length, text.at, text.length);
    buffer->length += text.length;
}

void buffer_add_text(struct buffer *buffer, const char *text) {
    buffer_add(buffer, span_of(text));
}

void buffer_add_number(struct buffer *buffer, uint64_t number) {
    char digits[20]; // of the largest number
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    buffer_add(buffer, (struct span){digits + first, sizeof digits - first});
}

struct span buffer_span(const struct buffer *buffer) {
    return (struct span){buffer->at, buffer->length};
}

void buffer_free(struct buffer *buffer) {
    free(buffer->at);
    *buffer = (struct buffer){0};
}
