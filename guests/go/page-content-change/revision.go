package main

import (
	"encoding/json"
	"fmt"

	"millrace/guests/contract"
)

// A slot of a revision, as the lookup `revision` answers it.
type slot struct {
	Hidden bool    `json:"hidden"`
	SHA1   string  `json:"sha1"`
	Body   *uint64 `json:"body"`
	// The blob that Body names; of no meaning where the slot is hidden.
	body contract.BlobID
}

// The slots of an answer by their roles.
func readRevision(reply contract.Reply) (map[string]slot, error) {
	var document struct {
		Slots map[string]slot `json:"slots"`
	}
	if err := json.Unmarshal(reply.Document.Read(), &document); err != nil {
		return nil, fmt.Errorf("answer: %w", err)
	}
	for role, slot := range document.Slots {
		if slot.Hidden {
			continue
		}
		if slot.Body == nil {
			return nil, fmt.Errorf("answer: slot %s has neither a body nor is hidden", role)
		}
		if *slot.Body >= uint64(len(reply.Blobs)) {
			return nil, fmt.Errorf("answer: slot %s names blob %d of %d", role, *slot.Body, len(reply.Blobs))
		}
		slot.body = reply.Blobs[*slot.Body].ID
		document.Slots[role] = slot
	}
	return document.Slots, nil
}
