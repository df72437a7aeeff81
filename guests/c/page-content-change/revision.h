// The answer to the lookup `revision`: which slots there are, and which blob has the body of each.
#pragma once

#include "contract.h"
#include "json.h"

// What an answer says of one slot.
enum slot_state { SLOT_VISIBLE, SLOT_HIDDEN, SLOT_MISSING, SLOT_INVALID };

struct slot {
    enum slot_state state;
    blob_id_t body;   // where it is visible
    struct span sha1; // the JSON string, where it is visible
};

// The slots of an answer's document; false when the document is not of the shape that the contract says.
bool revision_slots(plugin_list_u8_t document, struct span *slots);

// The slot of a role, which is a JSON string.
struct slot revision_slot(struct span slots, struct span role, const reply_t *reply);
