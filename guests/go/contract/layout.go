package contract

import (
	"structs"
	"unsafe"
)

// The types as the canonical ABI lays them out in memory. A pointer, string or slice of Go is too wide (8, 16 and 24
// bytes, where the ABI has 4, 8 and 8), so addresses are uint32, which the garbage collector does not see: whoever
// writes one keeps what it points to. A variant is its tag, and beside it room for its widest case, as words of the
// alignment that the widest-aligned case has. An option or result is a variant too, so one that is aligned to 8 is a
// struct of its own: its tag begins where it may lie as a whole.

type abi = structs.HostLayout

// A list or a string.
type rawList struct {
	_       abi
	address uint32
	length  uint32
}

// An option of a list or a string; also result<_, string>, where none is ok.
type rawOption struct {
	_    abi
	some uint8
	list rawList
}

type rawBlob struct {
	_        abi
	id, size uint64
}

type rawPayload struct {
	_     abi
	tag   uint8
	cases [2]uint64 // rawList, rawBlob
}

type rawOptionPayload struct {
	_     abi
	some  uint8
	value rawPayload
}

type rawHeader struct {
	_     abi
	name  rawList
	value rawOption
}

type rawSource struct {
	_         abi
	topic     rawList
	partition uint32
	offset    uint64
}

type rawEvent struct {
	_           abi
	ticket      uint64
	input       rawList
	source      rawSource
	timestampMs int64
	key         rawOption
	value       rawOptionPayload
	headers     rawList
	attempt     uint32
}

type rawReply struct {
	_        abi
	document rawPayload
	blobs    rawList
}

type rawLookupError struct {
	_             abi
	kind, message rawList
}

type rawAnswer struct {
	_      abi
	ticket uint64
	id     uint32
	result rawResult
}

type rawResult struct {
	_     abi
	tag   uint8
	cases [4]uint64 // rawReply, rawLookupError
}

type rawTimer struct {
	_      abi
	ticket uint64
	key    rawList
	name   rawList
	clock  uint8
	dueMs  uint64
}

type rawInput struct {
	_     abi
	tag   uint8
	cases [14]uint64 // rawEvent, rawAnswer, rawTimer, a ticket
}

type rawPiece struct {
	_     abi
	tag   uint8
	cases [1]uint64 // rawList, a blob's number
}

type rawAsk struct {
	_      abi
	ticket uint64
	id     uint32
	kind   rawList
	params rawList
	body   rawList
}

type rawEdit struct {
	_    abi
	path rawList
	tag  uint8
	set  rawList
}

type rawEmission struct {
	_        abi
	output   rawList
	key      rawOption
	tag      uint8
	document rawList
	headers  rawList
}

type rawFailure struct {
	_             abi
	kind, message rawList
	stack         rawOption
}

type rawRetry struct {
	_          abi
	hasAfterMs uint8
	afterMs    uint32
	failure    rawFailure
}

type rawDone struct {
	_      abi
	ticket uint64
	tag    uint8
	cases  [9]uint32 // rawList, rawList, rawRetry, rawFailure
}

type rawOutput struct {
	_     abi
	tag   uint8
	cases [6]uint64 // rawDone, rawAsk
}

// A label of a metric: its name and its value.
type rawLabel struct {
	_           abi
	name, value rawList
}

// A type whose size is not the ABI's does not compile.
var (
	_ [120]byte = [unsafe.Sizeof(rawInput{})]byte{}
	_ [112]byte = [unsafe.Sizeof(rawEvent{})]byte{}
	_ [56]byte  = [unsafe.Sizeof(rawAnswer{})]byte{}
	_ [40]byte  = [unsafe.Sizeof(rawTimer{})]byte{}
	_ [32]byte  = [unsafe.Sizeof(rawReply{})]byte{}
	_ [24]byte  = [unsafe.Sizeof(rawPayload{})]byte{}
	_ [24]byte  = [unsafe.Sizeof(rawSource{})]byte{}
	_ [20]byte  = [unsafe.Sizeof(rawHeader{})]byte{}
	_ [56]byte  = [unsafe.Sizeof(rawOutput{})]byte{}
	_ [48]byte  = [unsafe.Sizeof(rawDone{})]byte{}
	_ [40]byte  = [unsafe.Sizeof(rawAsk{})]byte{}
	_ [40]byte  = [unsafe.Sizeof(rawEmission{})]byte{}
	_ [36]byte  = [unsafe.Sizeof(rawRetry{})]byte{}
	_ [28]byte  = [unsafe.Sizeof(rawFailure{})]byte{}
	_ [20]byte  = [unsafe.Sizeof(rawEdit{})]byte{}
	_ [16]byte  = [unsafe.Sizeof(rawPiece{})]byte{}
)

// What lies at an address of the ABI. Added to nil, because that is how a number becomes a pointer that vet accepts.
func at[T any](address uint32) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(nil), address))
}

// The case of a variant, as what it is.
func as[T, W any](cases *W) *T { return (*T)(unsafe.Pointer(cases)) }
