#include "json.h"

// A place in a text. Every function that moves it says whether what it passed over was well-formed.
struct cursor {
    const char *at;
    const char *end;
};

static bool skip_value(struct cursor *cursor, int levels);

static char peek(const struct cursor *cursor) {
    return cursor->at < cursor->end ? *cursor->at : '\0';
}

static void skip_space(struct cursor *cursor) {
    while (cursor->at < cursor->end && strchr(" \t\n\r", *cursor->at) != NULL && *cursor->at != '\0') cursor->at++;
}

static bool skip_char(struct cursor *cursor, char expected) {
    if (cursor->at == cursor->end || *cursor->at != expected) return false;
    cursor->at++;
    return true;
}

static bool skip_word(struct cursor *cursor, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(cursor->end - cursor->at) < length || memcmp(cursor->at, word, length) != 0) return false;
    cursor->at += length;
    return true;
}

static bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

// -1 for what is no hexadecimal digit.
static int hex_digit(char character) {
    if (is_digit(character)) return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    return -1;
}

// Four hexadecimal digits.
static bool read_unit(struct cursor *cursor, uint32_t *unit) {
    *unit = 0;
    if (cursor->end - cursor->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(*cursor->at++);
        if (digit < 0) return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    return true;
}

static bool skip_string(struct cursor *cursor) {
    if (!skip_char(cursor, '"')) return false;
    while (cursor->at < cursor->end) {
        unsigned char character = (unsigned char)*cursor->at++;
        if (character == '"') return true;
        if (character < 0x20) return false;
        if (character != '\\') continue;
        if (cursor->at == cursor->end) return false;
        char escaped = *cursor->at++;
        uint32_t unit;
        if (escaped == 'u' ? !read_unit(cursor, &unit) : escaped == '\0' || strchr("\"\\/bfnrt", escaped) == NULL) {
            return false;
        }
    }
    return false;
}

static bool skip_digits(struct cursor *cursor) {
    const char *first = cursor->at;
    while (is_digit(peek(cursor))) cursor->at++;
    return cursor->at > first;
}

static bool skip_number(struct cursor *cursor) {
    skip_char(cursor, '-');
    if (!skip_char(cursor, '0') && !skip_digits(cursor)) return false;
    if (skip_char(cursor, '.') && !skip_digits(cursor)) return false;
    if (skip_char(cursor, 'e') || skip_char(cursor, 'E')) {
        if (!skip_char(cursor, '+')) skip_char(cursor, '-');
        if (!skip_digits(cursor)) return false;
    }
    return true;
}

static bool skip_member(struct cursor *cursor, int levels) {
    skip_space(cursor);
    if (!skip_string(cursor)) return false;
    skip_space(cursor);
    return skip_char(cursor, ':') && skip_value(cursor, levels);
}

// An object or an array: what is between the brackets, with commas.
static bool skip_container(struct cursor *cursor, char close, int levels) {
    bool (*skip_item)(struct cursor *, int) = close == '}' ? skip_member : skip_value;
    if (levels == 0) return false;
    cursor->at++;
    skip_space(cursor);
    if (skip_char(cursor, close)) return true;
    do {
        if (!skip_item(cursor, levels - 1)) return false;
        skip_space(cursor);
    } while (skip_char(cursor, ','));
    return skip_char(cursor, close);
}

// One value, with the white space before it; `levels` is how deep it may be.
static bool skip_value(struct cursor *cursor, int levels) {
    skip_space(cursor);
    switch (peek(cursor)) {
        case '{': return skip_container(cursor, '}', levels);
        case '[': return skip_container(cursor, ']', levels);
        case '"': return skip_string(cursor);
        case 't': return skip_word(cursor, "true");
        case 'f': return skip_word(cursor, "false");
        case 'n': return skip_word(cursor, "null");
        default: return skip_number(cursor);
    }
}

bool json_parse(struct span text, struct span *value) {
    struct cursor cursor = {text.at, text.at + text.length};
    skip_space(&cursor);
    const char *first = cursor.at;
    if (!skip_value(&cursor, JSON_LEVELS_MAX)) return false;
    *value = (struct span){first, (size_t)(cursor.at - first)};
    skip_space(&cursor);
    return cursor.at == cursor.end;
}

enum json_kind json_kind(struct span value) {
    switch (*value.at) {
        case '{': return JSON_OBJECT;
        case '[': return JSON_ARRAY;
        case '"': return JSON_STRING;
        case 't': return JSON_TRUE;
        case 'f': return JSON_FALSE;
        case 'n': return JSON_NULL;
        default: return JSON_NUMBER;
    }
}

struct json_members json_members(struct span object) {
    if (json_kind(object) != JSON_OBJECT) return (struct json_members){{object.at, 0}};
    return (struct json_members){{object.at + 1, object.length - 1}};
}

bool json_next(struct json_members *members, struct span *name, struct span *value) {
    struct cursor cursor = {members->rest.at, members->rest.at + members->rest.length};
    skip_space(&cursor);
    skip_char(&cursor, ',');
    skip_space(&cursor);
    const char *first = cursor.at;
    if (!skip_string(&cursor)) return false;
    *name = (struct span){first, (size_t)(cursor.at - first)};
    skip_space(&cursor);
    skip_char(&cursor, ':');
    skip_space(&cursor);
    first = cursor.at;
    if (!skip_value(&cursor, JSON_LEVELS_MAX)) return false;
    *value = (struct span){first, (size_t)(cursor.at - first)};
    members->rest = (struct span){cursor.at, (size_t)(cursor.end - cursor.at)};
    return true;
}

bool json_find(struct span object, const char *name, struct span *value) {
    struct json_members members = json_members(object);
    struct span found;
    while (json_next(&members, &found, value)) {
        if (json_says(found, name)) return true;
    }
    return false;
}

bool json_u64(struct span value, uint64_t *number) {
    uint64_t sum = 0;
    for (size_t i = 0; i < value.length; i++) {
        if (!is_digit(value.at[i])) return false;
        uint64_t digit = (uint64_t)(value.at[i] - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return value.length > 0;
}

static void add_character(struct buffer *buffer, uint32_t character) {
    char bytes[4];
    size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint32_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (character & 0x3f));
        character >>= 6;
    }
    bytes[0] = (char)(first[length] | character);
    buffer_add(buffer, (struct span){bytes, length});
}

// What follows `\u`, with the second half of a surrogate pair where it is one.
static uint32_t read_escaped_character(struct cursor *cursor) {
    uint32_t high, low;
    if (!read_unit(cursor, &high) || (high >= 0xdc00 && high < 0xe000)) return 0xfffd;
    if (high < 0xd800 || high >= 0xe000) return high;
    struct cursor next = *cursor;
    if (!skip_word(&next, "\\u") || !read_unit(&next, &low) || low < 0xdc00 || low >= 0xe000) return 0xfffd;
    *cursor = next;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static void add_escaped(struct buffer *buffer, struct cursor *cursor) {
    static const char escapes[] = "bfnrt", meant[] = "\b\f\n\r\t";
    char escaped = *cursor->at++;
    if (escaped == 'u') {
        add_character(buffer, read_escaped_character(cursor));
        return;
    }
    const char *known = strchr(escapes, escaped);
    char character = known == NULL ? escaped : meant[known - escapes];
    buffer_add(buffer, (struct span){&character, 1});
}

void json_add_string(struct buffer *buffer, struct span string) {
    struct cursor cursor = {string.at + 1, string.at + string.length - 1};
    while (cursor.at < cursor.end) {
        const char *escape = memchr(cursor.at, '\\', (size_t)(cursor.end - cursor.at));
        const char *plain_end = escape == NULL ? cursor.end : escape;
        buffer_add(buffer, (struct span){cursor.at, (size_t)(plain_end - cursor.at)});
        cursor.at = plain_end;
        if (escape != NULL) {
            cursor.at++;
            add_escaped(buffer, &cursor);
        }
    }
}

static bool is_escaped(struct span string) {
    return memchr(string.at, '\\', string.length) != NULL;
}

bool json_says(struct span value, const char *text) {
    if (json_kind(value) != JSON_STRING) return false;
    if (!is_escaped(value)) return span_is((struct span){value.at + 1, value.length - 2}, text);
    struct buffer said = {0};
    json_add_string(&said, value);
    bool same = span_is(buffer_span(&said), text);
    buffer_free(&said);
    return same;
}

bool json_say_the_same(struct span one, struct span other) {
    if (json_kind(one) != JSON_STRING || json_kind(other) != JSON_STRING) return false;
    if (!is_escaped(one) && !is_escaped(other)) {
        return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
    }
    struct buffer first = {0}, second = {0};
    json_add_string(&first, one);
    json_add_string(&second, other);
    bool same = first.length == second.length && (first.length == 0 || memcmp(first.at, second.at, first.length) == 0);
    buffer_free(&first);
    buffer_free(&second);
    return same;
}
