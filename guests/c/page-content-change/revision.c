#include "revision.h"

bool revision_slots(plugin_list_u8_t document, struct span *slots) {
    struct span text = {(const char *)document.ptr, document.len};
    struct span revision;
    return json_parse(text, &revision) && json_find(revision, "slots", slots) && json_kind(*slots) == JSON_OBJECT;
}

static struct slot read_slot(struct span slot, const reply_t *reply) {
    struct span hidden, body, sha1;
    uint64_t index;
    if (json_find(slot, "hidden", &hidden) && json_kind(hidden) == JSON_TRUE) {
        return (struct slot){.state = SLOT_HIDDEN};
    }
    bool is_whole = json_find(slot, "body", &body) && json_u64(body, &index) && index < reply->blobs.len &&
                    json_find(slot, "sha1", &sha1) && json_kind(sha1) == JSON_STRING;
    if (!is_whole) return (struct slot){.state = SLOT_INVALID};
    return (struct slot){SLOT_VISIBLE, reply->blobs.ptr[index].id, sha1};
}

struct slot revision_slot(struct span slots, struct span role, const reply_t *reply) {
    struct json_members members = json_members(slots);
    struct span name, slot;
    while (json_next(&members, &name, &slot)) {
        if (json_say_the_same(name, role)) return read_slot(slot, reply);
    }
    return (struct slot){.state = SLOT_MISSING};
}
