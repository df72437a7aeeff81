package contract

import (
	"runtime"
	"unsafe"
)

// What a plugin calls. The imports of `state` and `timers` follow the same pattern; no host serves them yet.

//go:wasmimport millrace:plugin/blobs@0.1.0 read
func importRead(blob, offset uint64, length uint32, result unsafe.Pointer)

//go:wasmimport millrace:plugin/log@0.1.0 write
func importWrite(hasTicket uint32, ticket uint64, level uint32, message unsafe.Pointer, length uint32)

//go:wasmimport millrace:plugin/metrics@0.1.0 count
func importCount(hasTicket uint32, ticket uint64, name unsafe.Pointer, nameLength uint32,
	labels unsafe.Pointer, labelsLength uint32, by uint64)

//go:wasmimport millrace:plugin/metrics@0.1.0 observe
func importObserve(hasTicket uint32, ticket uint64, name unsafe.Pointer, nameLength uint32,
	labels unsafe.Pointer, labelsLength uint32, value float64)

// Bytes that one call reads of a large document.
const readBytesMax = 1 << 20

// ReadBlob reads a part: at most length bytes from offset on, fewer at the end, none past it.
func ReadBlob(blob BlobID, offset uint64, length uint32) []byte {
	result := new(rawList)
	importRead(uint64(blob), offset, length, unsafe.Pointer(result))
	part := elements[byte](*result)
	room.lifted()
	return part
}

// Read gives the document's bytes, from the host where it is large.
func (payload Payload) Read() []byte {
	if payload.Large == nil {
		return payload.Inline
	}
	whole := make([]byte, 0, payload.Large.Size)
	for uint64(len(whole)) < payload.Large.Size {
		part := ReadBlob(payload.Large.ID, uint64(len(whole)), readBytesMax)
		if len(part) == 0 {
			panic("a blob is shorter than the host said")
		}
		whole = append(whole, part...)
	}
	return whole
}

// Level is how much a log line matters.
type Level uint32

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

// Log says a line under a ticket, or under none.
func Log(ticket *Ticket, level Level, message string) {
	has, number := lowerTicket(ticket)
	importWrite(has, number, uint32(level), unsafe.Pointer(unsafe.StringData(message)), uint32(len(message)))
}

// Label is a name and a value of a metric.
type Label struct{ Name, Value string }

// Count adds to a counter under a ticket, or under none.
func Count(ticket *Ticket, name string, by uint64, labels ...Label) {
	has, number := lowerTicket(ticket)
	raws := lowerLabels(labels)
	importCount(has, number, unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)),
		unsafe.Pointer(unsafe.SliceData(raws)), uint32(len(raws)), by)
	runtime.KeepAlive(labels)
}

// Observe takes a value down under a ticket, or under none.
func Observe(ticket *Ticket, name string, value float64, labels ...Label) {
	has, number := lowerTicket(ticket)
	raws := lowerLabels(labels)
	importObserve(has, number, unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)),
		unsafe.Pointer(unsafe.SliceData(raws)), uint32(len(raws)), value)
	runtime.KeepAlive(labels)
}

func lowerTicket(ticket *Ticket) (has uint32, number uint64) {
	if ticket == nil {
		return 0, 0
	}
	return 1, uint64(*ticket)
}

// Not held: an import has read its arguments when it returns.
func lowerLabels(labels []Label) []rawLabel {
	raws := make([]rawLabel, len(labels))
	for i, label := range labels {
		raws[i] = rawLabel{name: lent(label.Name), value: lent(label.Value)}
	}
	return raws
}

func lent(text string) rawList {
	return rawList{address: uint32(uintptr(unsafe.Pointer(unsafe.StringData(text)))), length: uint32(len(text))}
}
