// Reads JSON where it lies: a value is the span of its text, and nothing is built from it.
//
// A span from `json_parse`, and every one that is reached from it, is one well-formed value. Finding a member reads the
// object again, which is the right price for the small documents that a projection leaves.
#pragma once

#include "buffer.h"
#include "span.h"

// Levels of a document, as many as the host lets through.
enum { JSON_LEVELS_MAX = 128 };

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

// False unless the text is one value, with nothing but white space around it.
bool json_parse(struct span text, struct span *value);

enum json_kind json_kind(struct span value);

// The members of an object, one after the other:
//
//     struct json_members members = json_members(object);
//     while (json_next(&members, &name, &value)) ...
//
// What is no object has none.
struct json_members {
    struct span rest;
};
struct json_members json_members(struct span object);
bool json_next(struct json_members *members, struct span *name, struct span *value);

// The member of that name; false when there is none.
bool json_find(struct span object, const char *name, struct span *value);

// False unless the value is a number without sign, fraction and exponent that fits.
bool json_u64(struct span value, uint64_t *number);

// Adds what a string says, without quotes and escapes. Half of a surrogate pair becomes U+FFFD.
void json_add_string(struct buffer *buffer, struct span string);

// Whether a value is a string that says the text, and whether two strings say the same, however they are escaped.
bool json_says(struct span value, const char *text);
bool json_say_the_same(struct span one, struct span other);
