// Command stress is a plugin that does on purpose what the contract could trip over in Go's runtime: it collects
// garbage within turns, leaves goroutines parked across turns, sleeps, reads blobs in between, and panics.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"millrace/guests/contract"
)

// What an event wants to happen.
type wish struct {
	// Garbage of so many bytes, and a collection, before the ticket asks and before it ends.
	Garbage int `json:"garbage"`
	// A panic with this text.
	Panic string `json:"panic"`
}

// A ticket whose goroutine waits for its answer.
type waiting struct {
	answers  chan *contract.Answer
	outcomes chan contract.Outcome
}

type plugin struct{ waiting map[contract.Ticket]waiting }

func init() { contract.Serve(&plugin{waiting: map[contract.Ticket]waiting{}}) }

func (*plugin) Describe() string {
	return `{"name":"stress","version":"0.1.0","inputs":{"in":{}},"outputs":{"out":{}},"lookups":["revision"]}`
}

// Configure makes the runtime collect after every tenth of growth, so that collections also begin where the host makes
// room, and not only where a wish says so.
func (*plugin) Configure(settings string) error {
	if settings != "{}" {
		return errors.New("this plugin has no settings")
	}
	debug.SetGCPercent(10)
	return nil
}

func (plugin *plugin) Turn(_ uint64, inputs []contract.Input) []contract.Output {
	var outputs []contract.Output
	for _, input := range inputs {
		switch input := input.(type) {
		case *contract.Event:
			outputs = append(outputs, plugin.onEvent(input))
		case *contract.Answer:
			if waiting, ok := plugin.waiting[input.Ticket]; ok {
				delete(plugin.waiting, input.Ticket)
				// Woken and waited for: it has ended when the turn does.
				waiting.answers <- input
				outputs = append(outputs, contract.Done{Ticket: input.Ticket, Outcome: <-waiting.outcomes})
			}
		case contract.Cancel:
			if waiting, ok := plugin.waiting[contract.Ticket(input)]; ok {
				delete(plugin.waiting, contract.Ticket(input))
				waiting.answers <- nil
				<-waiting.outcomes
			}
		}
	}
	return outputs
}

func (plugin *plugin) onEvent(event *contract.Event) contract.Output {
	var wish wish
	if event.Value == nil {
		return contract.Done{Ticket: event.Ticket, Outcome: contract.Skip("tombstone")}
	}
	if err := json.Unmarshal(event.Value.Read(), &wish); err != nil {
		return contract.Done{Ticket: event.Ticket, Outcome: contract.Failure{Kind: "invalid_event", Message: err.Error()}}
	}
	if wish.Panic != "" {
		panic(wish.Panic)
	}
	ticket := waiting{make(chan *contract.Answer), make(chan contract.Outcome)}
	started := make(chan struct{})
	go func() {
		makeGarbage(wish.Garbage)
		close(started)
		// Parked across turns.
		answer := <-ticket.answers
		makeGarbage(wish.Garbage)
		ticket.outcomes <- outcome(answer)
	}()
	<-started
	plugin.waiting[event.Ticket] = ticket
	return contract.Ask{Ticket: event.Ticket, Kind: "revision", Params: string(event.Value.Read())}
}

// What the blob says becomes the document, so that a byte that a collection took is seen.
func outcome(answer *contract.Answer) contract.Outcome {
	switch {
	case answer == nil:
		return contract.Skip("cancelled")
	case answer.Err != nil:
		return contract.Failure{Kind: answer.Err.Kind, Message: answer.Err.Message}
	case len(answer.Reply.Blobs) == 0:
		return contract.Skip("no_blob")
	}
	blob := answer.Reply.Blobs[0]
	body := contract.Payload{Large: &blob}.Read()
	document := contract.Whole{contract.Bytes(fmt.Sprintf(`{"body":%q}`, body))}
	return contract.Emit{{Output: "out", Document: document}}
}

// Garbage that the runtime has to find, and a wait that passes at once.
func makeGarbage(bytes int) {
	if bytes == 0 {
		return
	}
	var list [][]byte
	for made := 0; made < bytes; made += 1 << 10 {
		list = append(list, make([]byte, 1<<10))
	}
	runtime.KeepAlive(list)
	runtime.GC()
	time.Sleep(time.Millisecond)
}

func main() {}
