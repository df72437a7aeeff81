package contract

import "unsafe"

// From Go to the ABI's layout. What a result points to has to stay until the host has read it, and the garbage
// collector does not see the addresses in it, so everything is held here until the post-return call.

var held []unsafe.Pointer

func letGo() {
	clear(held)
	held = held[:0]
}

// The address of what the host may read until letGo.
func hold(pointer unsafe.Pointer) uint32 {
	held = append(held, pointer)
	return uint32(uintptr(pointer))
}

func lowerList[T any](elements []T) rawList {
	if len(elements) == 0 {
		return rawList{address: uint32(unsafe.Alignof(uint64(0)))} // of no list, but aligned as any list
	}
	return rawList{address: hold(unsafe.Pointer(unsafe.SliceData(elements))), length: uint32(len(elements))}
}

func lowerString(text string) rawList {
	if text == "" {
		return lowerList[byte](nil)
	}
	return rawList{address: hold(unsafe.Pointer(unsafe.StringData(text))), length: uint32(len(text))}
}

func lowerBytes(bytes []byte) rawOption {
	if bytes == nil {
		return rawOption{}
	}
	return rawOption{some: 1, list: lowerList(bytes)}
}

// Each element in its own layout.
func lowerEach[T, R any](elements []T, lower func(T) R) rawList {
	raws := make([]R, len(elements))
	for i, element := range elements {
		raws[i] = lower(element)
	}
	return lowerList(raws)
}

func lowerPieces(pieces []Piece) rawList { return lowerEach(pieces, lowerPiece) }

func lowerPiece(piece Piece) (raw rawPiece) {
	switch piece := piece.(type) {
	case Bytes:
		*as[rawList](&raw.cases) = lowerList(piece)
	case Verbatim:
		raw.tag, raw.cases[0] = 1, uint64(piece)
	case JSONString:
		raw.tag, raw.cases[0] = 2, uint64(piece)
	}
	return raw
}

func lowerHeader(header Header) rawHeader {
	return rawHeader{name: lowerString(header.Name), value: lowerBytes(header.Value)}
}

func lowerEdit(edit Edit) rawEdit {
	raw := rawEdit{path: lowerString(edit.Path)}
	switch change := edit.Change.(type) {
	case Set:
		raw.set = lowerPieces(change)
	case Remove:
		raw.tag = 1
	}
	return raw
}

func lowerEmission(emission Emission) rawEmission {
	raw := rawEmission{
		output:  lowerString(emission.Output),
		key:     lowerBytes(emission.Key),
		headers: lowerEach(emission.Headers, lowerHeader),
	}
	switch document := emission.Document.(type) {
	case Whole:
		raw.document = lowerPieces(document)
	case Patch:
		raw.tag, raw.document = 1, lowerEach(document, lowerEdit)
	case Tombstone:
		raw.tag = 2
	}
	return raw
}

func lowerFailure(failure Failure) rawFailure {
	raw := rawFailure{kind: lowerString(failure.Kind), message: lowerString(failure.Message)}
	if failure.Stack != "" {
		raw.stack = rawOption{some: 1, list: lowerString(failure.Stack)}
	}
	return raw
}

func lowerRetry(retry Retry) rawRetry {
	raw := rawRetry{failure: lowerFailure(retry.Failure)}
	if retry.AfterMs != nil {
		raw.hasAfterMs, raw.afterMs = 1, *retry.AfterMs
	}
	return raw
}

func lowerDone(done Done) rawDone {
	raw := rawDone{ticket: uint64(done.Ticket)}
	switch outcome := done.Outcome.(type) {
	case Emit:
		*as[rawList](&raw.cases) = lowerEach(outcome, lowerEmission)
	case Skip:
		raw.tag, *as[rawList](&raw.cases) = 1, lowerString(string(outcome))
	case Retry:
		raw.tag, *as[rawRetry](&raw.cases) = 2, lowerRetry(outcome)
	case Failure:
		raw.tag, *as[rawFailure](&raw.cases) = 3, lowerFailure(outcome)
	}
	return raw
}

func lowerAsk(ask Ask) rawAsk {
	return rawAsk{
		ticket: uint64(ask.Ticket),
		id:     ask.ID,
		kind:   lowerString(ask.Kind),
		params: lowerString(ask.Params),
		body:   lowerPieces(ask.Body),
	}
}

func lowerOutput(output Output) (raw rawOutput) {
	switch output := output.(type) {
	case Done:
		*as[rawDone](&raw.cases) = lowerDone(output)
	case Ask:
		raw.tag, *as[rawAsk](&raw.cases) = 1, lowerAsk(output)
	}
	return raw
}
