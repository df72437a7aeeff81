// Command page-content-change is a plugin that adds content to page_change events: `content_body` for every content
// slot that an event names.
//
// A page that was deleted, and content that is hidden, pass through without a body. A revision that does not exist is
// an error event `not_found`. Bodies go from the wiki to the output as blobs and never enter this plugin, and the
// output is a patch of the input, so fields that this plugin does not know survive.
package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"millrace/guests/contract"
)

const output = "page_content_change"

// What to do with a body whose SHA-1 is not the one in the event.
type policy string

const (
	emit policy = "emit"
	omit policy = "omit"
	fail policy = "fail"
)

type plugin struct {
	sha1Mismatch policy
	// Events that wait for their revision.
	waiting map[contract.Ticket]*pageChange
}

func init() {
	contract.Serve(&plugin{sha1Mismatch: emit, waiting: map[contract.Ticket]*pageChange{}})
}

func (*plugin) Describe() string {
	return `{
		"name": "page-content-change",
		"version": "0.1.0",
		"inputs": {"page_change": {"fields": ["/page_change_kind", "/meta/domain", "/revision/rev_id",
			"/revision/is_content_visible", "/revision/content_slots"]}},
		"outputs": {"page_content_change": {"schema": "mediawiki/page/change"}},
		"lookups": ["revision"],
		"settings": {"type": "object", "additionalProperties": false, "properties": {"sha1_mismatch": {
			"description": "what to do with a body whose SHA-1 is not the one in the event",
			"enum": ["emit", "omit", "fail"], "default": "emit"}}}
	}`
}

func (plugin *plugin) Configure(text string) error {
	settings := struct {
		SHA1Mismatch policy `json:"sha1_mismatch"`
	}{emit}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&settings); err != nil {
		return err
	}
	switch settings.SHA1Mismatch {
	case emit, omit, fail:
		plugin.sha1Mismatch = settings.SHA1Mismatch
		return nil
	default:
		return fmt.Errorf("sha1_mismatch is %q; it is one of emit, omit, fail", settings.SHA1Mismatch)
	}
}

func (plugin *plugin) Turn(_ uint64, inputs []contract.Input) []contract.Output {
	outputs := make([]contract.Output, 0, len(inputs))
	for _, input := range inputs {
		switch input := input.(type) {
		case *contract.Event:
			outputs = append(outputs, plugin.onEvent(input))
		case *contract.Answer:
			// A ticket that has ended may still be answered.
			if change, ok := plugin.waiting[input.Ticket]; ok {
				delete(plugin.waiting, input.Ticket)
				outcome := plugin.onAnswer(input, change)
				outputs = append(outputs, contract.Done{Ticket: input.Ticket, Outcome: outcome})
			}
		case contract.Cancel:
			delete(plugin.waiting, contract.Ticket(input))
		}
	}
	return outputs
}

func (plugin *plugin) onEvent(event *contract.Event) contract.Output {
	done := func(outcome contract.Outcome) contract.Output {
		return contract.Done{Ticket: event.Ticket, Outcome: outcome}
	}
	if event.Value == nil {
		return done(contract.Failure{Kind: "invalid_event", Message: "a tombstone has no document"})
	}
	change, err := readPageChange(event.Value.Read())
	if err != nil {
		return done(contract.Failure{Kind: "invalid_event", Message: err.Error()})
	}
	if !change.hasContent() {
		return done(emitPatch(nil))
	}
	params, err := change.params()
	if err != nil {
		return done(contract.Failure{Kind: "invalid_event", Message: err.Error()})
	}
	plugin.waiting[event.Ticket] = change
	return contract.Ask{Ticket: event.Ticket, ID: 0, Kind: "revision", Params: params}
}

func (plugin *plugin) onAnswer(answer *contract.Answer, change *pageChange) contract.Outcome {
	if answer.Err != nil {
		return contract.Failure{Kind: failureKind(answer.Err.Kind), Message: answer.Err.Message}
	}
	found, err := readRevision(answer.Reply)
	if err != nil {
		return contract.Failure{Kind: "lookup_invalid", Message: err.Error()}
	}
	var patch contract.Patch
	for _, role := range change.roles() {
		slot, ok := found[role]
		if !ok {
			message := fmt.Sprintf("revision %d has no slot %s", *change.Revision.RevID, role)
			return contract.Failure{Kind: "not_found", Message: message}
		}
		if slot.Hidden {
			continue
		}
		expected := change.Revision.Slots[role].SHA1
		if expected != nil && *expected != slot.SHA1 {
			contract.Count(&answer.Ticket, "sha1_mismatch", 1, contract.Label{Name: "slot", Value: role})
			switch plugin.sha1Mismatch {
			case omit:
				continue
			case fail:
				message := fmt.Sprintf("slot %s of revision %d: SHA-1 is %s, the event says %s",
					role, *change.Revision.RevID, slot.SHA1, *expected)
				return contract.Failure{Kind: "sha1_mismatch", Message: message}
			}
		}
		patch = append(patch, setBody(role, slot.body))
	}
	return emitPatch(patch)
}

func emitPatch(patch contract.Patch) contract.Outcome {
	return contract.Emit{{Output: output, Document: patch}}
}

// A role may hold what means something in a JSON Pointer.
var step = strings.NewReplacer("~", "~0", "/", "~1")

func setBody(role string, body contract.BlobID) contract.Edit {
	path := "/revision/content_slots/" + step.Replace(role) + "/content_body"
	return contract.Edit{Path: path, Change: contract.Set{contract.JSONString(body)}}
}

// The word for the error event; a kind that is not known here counts as `unavailable`.
func failureKind(kind string) string {
	switch kind {
	case "missing":
		return "not_found"
	case "denied":
		return "lookup_denied"
	case "too-large":
		return "lookup_too_large"
	case "invalid":
		return "lookup_invalid"
	default:
		return "lookup_unavailable"
	}
}

func main() {}
