#include "event.h"
#include <stdlib.h>

// False, with the reason, unless the document has the members that the schema wants, of the types that it wants.
static bool read_revision(struct page_change *change, struct span revision, struct buffer *reason) {
    struct span visible;
    uint64_t number;
    if (!json_find(revision, "rev_id", &change->rev_id) || !json_u64(change->rev_id, &number)) {
        buffer_add_text(reason, "revision.rev_id is missing or no number of a revision");
        return false;
    }
    if (json_find(revision, "is_content_visible", &visible)) {
        enum json_kind kind = json_kind(visible);
        if (kind != JSON_TRUE && kind != JSON_FALSE && kind != JSON_NULL) {
            buffer_add_text(reason, "revision.is_content_visible is no boolean");
            return false;
        }
        change->is_hidden = kind == JSON_FALSE;
    }
    if (!json_find(revision, "content_slots", &change->slots)) return true;
    struct json_members slots = json_members(change->slots);
    struct span role, slot;
    change->has_slots = json_next(&slots, &role, &slot);
    if (json_kind(change->slots) == JSON_OBJECT) return true;
    buffer_add_text(reason, "revision.content_slots is no object");
    return false;
}

static bool read_document(struct page_change *change, struct buffer *reason) {
    struct span text = {(const char *)change->document.ptr, change->document.len};
    struct span document, kind, meta, revision;
    if (!json_parse(text, &document)) {
        buffer_add_text(reason, "the event is no JSON document");
        return false;
    }
    if (!json_find(document, "page_change_kind", &kind) || json_kind(kind) != JSON_STRING) {
        buffer_add_text(reason, "page_change_kind is missing or no string");
        return false;
    }
    change->is_delete = json_says(kind, "delete");
    change->has_domain = json_find(document, "meta", &meta) && json_find(meta, "domain", &change->domain) &&
                         json_kind(change->domain) == JSON_STRING;
    if (!json_find(document, "revision", &revision)) {
        buffer_add_text(reason, "revision is missing");
        return false;
    }
    return read_revision(change, revision, reason);
}

struct page_change *page_change_read(plugin_list_u8_t document, struct buffer *reason) {
    struct page_change *change = allocate(1, sizeof *change);
    change->document = document;
    if (read_document(change, reason)) return change;
    page_change_free(change);
    return NULL;
}

void page_change_free(struct page_change *change) {
    if (change == NULL) return;
    plugin_list_u8_free(&change->document);
    free(change);
}

void page_change_params(const struct page_change *change, struct buffer *params) {
    buffer_add_text(params, "{\"domain\":");
    buffer_add(params, change->domain);
    buffer_add_text(params, ",\"rev_id\":");
    buffer_add(params, change->rev_id);
    buffer_add_text(params, ",\"slots\":");
    struct json_members slots = json_members(change->slots);
    struct span role, slot;
    const char *before = "[";
    while (json_next(&slots, &role, &slot)) {
        buffer_add_text(params, before);
        buffer_add(params, role);
        before = ",";
    }
    buffer_add_text(params, "]}");
}
