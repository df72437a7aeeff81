// Command identity is a plugin that emits every event as it came, tombstones included: the least that one can do.
package main

import (
	"errors"

	"millrace/guests/contract"
)

type identity struct{}

func init() { contract.Serve(identity{}) }

// Describe names no field: the patch of nothing is the whole document, which never leaves the host.
func (identity) Describe() string {
	return `{"name":"identity","version":"0.1.0",
		"inputs":{"in":{"fields":[],"tombstones":true}},"outputs":{"out":{}}}`
}

func (identity) Configure(settings string) error {
	if settings != "{}" {
		return errors.New("this plugin has no settings")
	}
	return nil
}

func (identity) Turn(_ uint64, inputs []contract.Input) []contract.Output {
	outputs := make([]contract.Output, 0, len(inputs))
	for _, input := range inputs {
		// Nothing is asked, so nothing is answered; nothing is remembered, so nothing is to forget.
		if event, ok := input.(*contract.Event); ok {
			emission := contract.Emission{Output: "out", Document: document(event)}
			outputs = append(outputs, contract.Done{Ticket: event.Ticket, Outcome: contract.Emit{emission}})
		}
	}
	return outputs
}

func document(event *contract.Event) contract.Document {
	if event.Value == nil {
		return contract.Tombstone{}
	}
	return contract.Patch{}
}

func main() {}
