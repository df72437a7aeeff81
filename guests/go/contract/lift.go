package contract

import "unsafe"

// From the ABI's layout to Go. Bytes and strings are not copied: they lie in what cabi_realloc gave, which the garbage
// collector keeps as long as anything points into it.

func elements[T any](list rawList) []T {
	if list.length == 0 {
		return []T{}
	}
	return unsafe.Slice(at[T](list.address), list.length)
}

func (list rawList) text() string {
	if list.length == 0 {
		return ""
	}
	return unsafe.String(at[byte](list.address), list.length)
}

// Nil for none, and empty for what is there and empty.
func (option rawOption) bytes() []byte {
	if option.some == 0 {
		return nil
	}
	return elements[byte](option.list)
}

func (payload *rawPayload) lift() Payload {
	if payload.tag == 0 {
		return Payload{Inline: elements[byte](*as[rawList](&payload.cases))}
	}
	blob := as[rawBlob](&payload.cases)
	return Payload{Large: &Blob{BlobID(blob.id), blob.size}}
}

func (event *rawEvent) lift() *Event {
	lifted := &Event{
		Ticket:      Ticket(event.ticket),
		Input:       event.input.text(),
		Topic:       event.source.topic.text(),
		Partition:   event.source.partition,
		Offset:      event.source.offset,
		TimestampMs: event.timestampMs,
		Key:         event.key.bytes(),
		Attempt:     event.attempt,
	}
	if event.value.some != 0 {
		value := event.value.value.lift()
		lifted.Value = &value
	}
	for _, header := range elements[rawHeader](event.headers) {
		lifted.Headers = append(lifted.Headers, Header{header.name.text(), header.value.bytes()})
	}
	return lifted
}

func (answer *rawAnswer) lift() *Answer {
	lifted := &Answer{Ticket: Ticket(answer.ticket), ID: answer.id}
	if answer.result.tag != 0 {
		failed := as[rawLookupError](&answer.result.cases)
		lifted.Err = &LookupError{failed.kind.text(), failed.message.text()}
		return lifted
	}
	reply := as[rawReply](&answer.result.cases)
	lifted.Reply.Document = reply.document.lift()
	for _, blob := range elements[rawBlob](reply.blobs) {
		lifted.Reply.Blobs = append(lifted.Reply.Blobs, Blob{BlobID(blob.id), blob.size})
	}
	return lifted
}

func (timer *rawTimer) lift() *Timer {
	return &Timer{Ticket(timer.ticket), elements[byte](timer.key), timer.name.text(), Clock(timer.clock), timer.dueMs}
}

func liftInputs(list rawList) []Input {
	raws := elements[rawInput](list)
	inputs := make([]Input, len(raws))
	for i := range raws {
		cases := &raws[i].cases
		switch raws[i].tag {
		case 0:
			inputs[i] = as[rawEvent](cases).lift()
		case 1:
			inputs[i] = as[rawAnswer](cases).lift()
		case 2:
			inputs[i] = as[rawTimer](cases).lift()
		default:
			inputs[i] = Cancel(cases[0])
		}
	}
	return inputs
}
