// Native tests of what knows nothing of the contract. The cases of tests/cases judge the plugins themselves.

#include "buffer.h"
#include "json.h"
#include "tickets.h"
#include <stdio.h>
#include <stdlib.h>

// Says which check does not hold and ends with code 1.
#define CHECK(holds, ...)                                     \
    do {                                                      \
        if (!(holds)) {                                       \
            fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);   \
            fprintf(stderr, __VA_ARGS__);                     \
            fprintf(stderr, "\n");                            \
            exit(1);                                          \
        }                                                     \
    } while (0)

// A copy that ends where the text ends, so that a read beyond it is seen.
static struct span copy_of(const char *text) {
    size_t length = strlen(text);
    char *copy = malloc(length == 0 ? 1 : length);
    memcpy(copy, text, length);
    return (struct span){copy, length};
}

static void check_valid(const char *text, bool expected) {
    struct span copy = copy_of(text), value;
    CHECK(json_parse(copy, &value) == expected, "%s is %s", text, expected ? "refused" : "taken");
    free((void *)copy.at);
}

static void well_formed_values_are_taken_and_others_refused(void) {
    const char *good[] = {"{}",      " [ 1 , -0.5e+3 ] ", "\"\\u00e9\\\\\"", "0",     "null",
                          "{\"a\":{\"b\":[]}}", "true", "1e5", "-1.25", "\"\"", "[[[]]]"};
    const char *bad[] = {"",     " ",      "{",       "[1,]",     "{\"a\"}",    "{\"a\":}", "{\"a\":1,}", "01",
                         "1.",   "-",      "1e",      "\"",       "\"\\x\"",    "\"\\u12\"", "\"\n\"",    "nul",
                         "{} 1", "[1 2]", "{a:1}",   "\"\\",     "{\"a\":1",    "]",         "+1",        "\"\\u12g4\""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) check_valid(good[i], true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) check_valid(bad[i], false);
}

static void levels_are_bounded(void) {
    char text[2 * JSON_LEVELS_MAX + 3] = {0};
    memset(text, '[', JSON_LEVELS_MAX);
    memset(text + JSON_LEVELS_MAX, ']', JSON_LEVELS_MAX);
    check_valid(text, true);
    memset(text, '[', JSON_LEVELS_MAX + 1);
    memset(text + JSON_LEVELS_MAX + 1, ']', JSON_LEVELS_MAX + 1);
    check_valid(text, false);
}

static void check_text(const char *string, const char *expected) {
    struct buffer text = {0};
    json_add_string(&text, span_of(string));
    CHECK(span_is(buffer_span(&text), expected), "%s says %.*s", string, (int)text.length, text.at);
    CHECK(json_says(span_of(string), expected), "%s does not say %s", string, expected);
    buffer_free(&text);
}

static void strings_lose_their_escapes(void) {
    check_text("\"main\"", "main");
    check_text("\"a\\/b\\\\\\\"\\n\\t\"", "a/b\\\"\n\t");
    check_text("\"m\\u0061in\"", "main");
    check_text("\"\\u00e9\\u20ac\\ud83d\\ude00\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    check_text("\"\\ud83dx\"", "\xef\xbf\xbdx");
    check_text("\"\\ude00\"", "\xef\xbf\xbd");
    check_text("\"\\ud83d\\u0041\"", "\xef\xbf\xbd" "A");
    CHECK(json_say_the_same(span_of("\"m\\u0061in\""), span_of("\"main\"")), "escapes make a difference");
    CHECK(!json_say_the_same(span_of("\"main\""), span_of("\"mains\"")), "another string is the same");
    CHECK(!json_say_the_same(span_of("1"), span_of("1")), "numbers say something");
}

static void members_are_found_by_name(void) {
    struct span object, value;
    CHECK(json_parse(span_of(" { \"a\" : {\"b\":\"x\"} , \"b\" : [1, \"}\"] , \"\\u0063\":7 } "), &object), "refused");
    CHECK(json_find(object, "b", &value) && span_is(value, "[1, \"}\"]"), "b is %.*s", (int)value.length, value.at);
    CHECK(json_find(object, "c", &value) && span_is(value, "7"), "an escaped name is not found");
    CHECK(!json_find(object, "x", &value), "what is not there is found");
    CHECK(!json_find(value, "a", &value), "a number has members");
}

static void check_number(const char *text, bool fits, uint64_t expected) {
    uint64_t number = 0;
    CHECK(json_u64(span_of(text), &number) == fits && number == expected, "%s is %llu", text, (unsigned long long)number);
}

static void numbers_are_whole_and_fit(void) {
    check_number("0", true, 0);
    check_number("18446744073709551615", true, UINT64_MAX);
    check_number("18446744073709551616", false, 0);
    check_number("-1", false, 0);
    check_number("1.0", false, 0);
    check_number("1e3", false, 0);
    check_number("\"1\"", false, 0);
    struct buffer text = {0};
    buffer_add_number(&text, 0);
    buffer_add_number(&text, UINT64_MAX);
    CHECK(span_is(buffer_span(&text), "018446744073709551615"), "%.*s", (int)text.length, text.at);
    buffer_free(&text);
}

// Against the plainest table: one place for each ticket. Tickets go in and out in an order of no pattern.
static void tickets_are_remembered_until_they_are_taken(void) {
    enum { TICKETS = 3000, STEPS = 60000 };
    static bool is_there[TICKETS];
    static int memory[TICKETS];
    struct tickets tickets = {0};
    CHECK(tickets_take(&tickets, 7) == NULL, "an empty map has a ticket");
    uint32_t random = 1;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        // Multiples of 512 share their home until the table has grown.
        uint32_t index = (random >> 16) % TICKETS;
        uint64_t ticket = (uint64_t)index * 512;
        if (is_there[index]) {
            CHECK(tickets_take(&tickets, ticket) == &memory[index], "ticket %u has another's memory", index);
        } else {
            CHECK(tickets_take(&tickets, ticket) == NULL, "ticket %u is still there", index);
            tickets_put(&tickets, ticket, &memory[index]);
        }
        is_there[index] = !is_there[index];
    }
    for (uint32_t index = 0; index < TICKETS; index++) {
        void *expected = is_there[index] ? &memory[index] : NULL;
        CHECK(tickets_take(&tickets, (uint64_t)index * 512) == expected, "ticket %u got lost", index);
    }
    CHECK(tickets.used == 0, "%zu are left", tickets.used);
    free(tickets.entries);
}

int main(void) {
    well_formed_values_are_taken_and_others_refused();
    levels_are_bounded();
    strings_lose_their_escapes();
    members_are_found_by_name();
    numbers_are_whole_and_fit();
    tickets_are_remembered_until_they_are_taken();
    puts("guests/c: all native tests passed");
    return 0;
}
