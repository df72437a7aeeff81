// A page_change event, as far as this plugin reads it.
#pragma once

#include "json.h"
#include <plugin.h>

// Owns its document, into which the spans point.
struct page_change {
    plugin_list_u8_t document;
    bool is_delete;
    bool is_hidden;
    bool has_domain;
    bool has_slots;
    struct span domain; // the JSON string, as it came
    struct span rev_id; // the digits, as they came
    struct span slots;  // the JSON object, by role
};

// Takes the document over and reads it; NULL, with the reason, when it is not as its schema says.
struct page_change *page_change_read(plugin_list_u8_t document, struct buffer *reason);

void page_change_free(struct page_change *change);

// The one question that is asked of it: the revision with the slots that it names.
void page_change_params(const struct page_change *change, struct buffer *params);
