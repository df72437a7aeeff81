package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A page_change event, as far as this plugin reads it. What the schema wants is a pointer, to see that it is missing.
type pageChange struct {
	Kind     *string       `json:"page_change_kind"`
	Meta     meta          `json:"meta"`
	Revision revisionFacts `json:"revision"`
}

type meta struct {
	Domain *string `json:"domain"`
}

type revisionFacts struct {
	RevID     *uint64              `json:"rev_id"`
	IsVisible *bool                `json:"is_content_visible"`
	Slots     map[string]slotFacts `json:"content_slots"`
}

type slotFacts struct {
	SHA1 *string `json:"content_sha1"`
}

func readPageChange(document []byte) (*pageChange, error) {
	change := new(pageChange)
	if err := json.Unmarshal(document, change); err != nil {
		return nil, err
	}
	if change.Kind == nil {
		return nil, errors.New("page_change_kind is missing")
	}
	if change.Revision.RevID == nil {
		return nil, errors.New("revision.rev_id is missing")
	}
	return change, nil
}

// Nothing is looked up for a page that was deleted, for hidden content, and where there is no slot.
func (change *pageChange) hasContent() bool {
	isHidden := change.Revision.IsVisible != nil && !*change.Revision.IsVisible
	return *change.Kind != "delete" && !isHidden && len(change.Revision.Slots) > 0
}

// The slots in an order of their own, because a re-run has to ask the same, and Go's maps have another order each time.
func (change *pageChange) roles() []string {
	return slices.Sorted(maps.Keys(change.Revision.Slots))
}

// The params of the one question that is asked of it.
func (change *pageChange) params() (string, error) {
	if change.Meta.Domain == nil {
		return "", errors.New("meta.domain is missing: which wiki is it?")
	}
	params, err := json.Marshal(struct {
		Domain string   `json:"domain"`
		RevID  uint64   `json:"rev_id"`
		Slots  []string `json:"slots"`
	}{*change.Meta.Domain, *change.Revision.RevID, change.roles()})
	if err != nil {
		return "", fmt.Errorf("params: %w", err)
	}
	return string(params), nil
}
