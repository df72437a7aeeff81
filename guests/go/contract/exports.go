package contract

import (
	"fmt"
	"unsafe"
)

// What the host calls. A result is the address of an area that holds it; there is one, because nothing is returned
// before the post-return call for what was returned last.
var (
	listArea   rawList
	optionArea rawOption
)

func resultOf(list rawList) unsafe.Pointer {
	listArea = list
	return unsafe.Pointer(&listArea)
}

//go:wasmexport millrace:plugin/processor@0.1.0#describe
func exportDescribe() unsafe.Pointer {
	return resultOf(lowerString(served.Describe()))
}

//go:wasmexport cabi_post_millrace:plugin/processor@0.1.0#describe
func exportDescribePost(unsafe.Pointer) { letGo() }

//go:wasmexport millrace:plugin/processor@0.1.0#configure
func exportConfigure(address, length uint32) unsafe.Pointer {
	settings := rawList{address: address, length: length}.text()
	room.lifted()
	optionArea = rawOption{}
	if err := served.Configure(settings); err != nil {
		optionArea = rawOption{some: 1, list: lowerString(err.Error())}
	}
	return unsafe.Pointer(&optionArea)
}

//go:wasmexport cabi_post_millrace:plugin/processor@0.1.0#configure
func exportConfigurePost(unsafe.Pointer) { letGo() }

//go:wasmexport millrace:plugin/processor@0.1.0#turn
func exportTurn(nowMs uint64, address, length uint32) unsafe.Pointer {
	inputs := liftInputs(rawList{address: address, length: length})
	room.lifted()
	defer sayPanic()
	return resultOf(lowerEach(served.Turn(nowMs, inputs), lowerOutput))
}

//go:wasmexport cabi_post_millrace:plugin/processor@0.1.0#turn
func exportTurnPost(unsafe.Pointer) { letGo() }

// The runtime would print the panic where nobody reads it. A line that is said under no ticket before a trap becomes
// part of the error event's message, so it is said so, and the panic goes on: the instance ends.
func sayPanic() {
	if reason := recover(); reason != nil {
		Log(nil, Error, fmt.Sprint("panic: ", reason))
		panic(reason)
	}
}

// The host makes room for what it hands over. No import may be called in here.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uint32) unsafe.Pointer {
	fresh := room.take(size, align)
	if oldSize > 0 {
		copy(unsafe.Slice((*byte)(fresh), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return fresh
}

// Room of one chunk: what a turn hands over is many small parts, and each would be an allocation of its own.
const chunkWords = 8 << 10

// Where the host writes. Until it is lifted, nothing of Go points to what was written, so the chunks are kept here;
// afterwards each lives as long as a value that lies in it.
type arena struct {
	free     []uint64 // of the newest chunk; words, for the alignment
	unlifted [][]uint64
}

var room arena

// No type of the contract is aligned to more than 8 bytes.
func (arena *arena) take(size, align uint32) unsafe.Pointer {
	words := (uint64(size) + 7) / 8
	if words == 0 {
		return unsafe.Add(unsafe.Pointer(nil), align)
	}
	if words > chunkWords/4 {
		part := make([]uint64, words)
		arena.unlifted = append(arena.unlifted, part)
		return unsafe.Pointer(unsafe.SliceData(part))
	}
	if words > uint64(len(arena.free)) {
		arena.free = make([]uint64, chunkWords)
	}
	part := arena.free[:words]
	// The chunk before this one may be full: each part keeps its own.
	arena.unlifted = append(arena.unlifted, part)
	arena.free = arena.free[words:]
	return unsafe.Pointer(unsafe.SliceData(part))
}

func (arena *arena) lifted() {
	clear(arena.unlifted)
	arena.unlifted = arena.unlifted[:0]
}
