// Package contract is the plugin contract of wit/plugin.wit for standard Go: its types as Go says them, and the exports
// and imports of its canonical ABI. It holds nothing of any plugin, so a module of your own can have a copy of it.
//
// A command with a plugin calls Serve in an init function and has an empty main.
//
// A variant of the contract is an interface here, and its cases are the types that implement it.
package contract

// Plugin is what an instance does. Nothing of it is called at the same time as anything else of it.
type Plugin interface {
	// Describe says what the plugin wants, as JSON. It may be called before Configure.
	Describe() string
	// Configure takes the settings, a JSON object, once and before the first turn. The error is shown to the operator.
	Configure(settings string) error
	// Turn takes a batch of inputs and answers a batch of outputs. No goroutine may be runnable when it returns.
	Turn(nowMs uint64, inputs []Input) []Output
}

var served Plugin

// Serve makes a plugin the one that this component is.
func Serve(plugin Plugin) { served = plugin }

// Ticket is the number of one event in flight.
type Ticket uint64

// BlobID is the number of bytes that the host holds. It ends with its ticket.
type BlobID uint64

// Blob is bytes that the host holds, and how many they are.
type Blob struct {
	ID   BlobID
	Size uint64
}

// Payload is a document: inline, or, where it is large, as a blob.
type Payload struct {
	Inline []byte
	Large  *Blob // nil: inline
}

// Header is a header of a record.
type Header struct {
	Name  string
	Value []byte // nil: null
}

// Input is an *Event, an *Answer, a *Timer or a Cancel.
type Input interface{ input() }

// Event is a new ticket. What it holds may be kept, but a small part of it keeps the whole batch in memory: clone it.
type Event struct {
	Ticket      Ticket
	Input       string
	Topic       string
	Partition   uint32
	Offset      uint64
	TimestampMs int64
	Key         []byte   // nil: none
	Value       *Payload // nil: a tombstone
	Headers     []Header
	Attempt     uint32
}

// Answer is the result of one ask.
type Answer struct {
	Ticket Ticket
	ID     uint32
	Reply  Reply
	Err    *LookupError // nil: there is a reply
}

// Reply is what the other side said. The document names entries of Blobs by index.
type Reply struct {
	Document Payload
	Blobs    []Blob
}

// LookupError is why there is no reply.
type LookupError struct{ Kind, Message string }

// Clock is what drives a timer.
type Clock uint8

// The clocks.
const (
	EventTime Clock = iota
	Wall
)

// Timer is due, under a ticket of its own.
type Timer struct {
	Ticket Ticket
	Key    []byte
	Name   string
	Clock  Clock
	DueMs  uint64
}

// Cancel is a ticket that the host has given up.
type Cancel Ticket

func (*Event) input()  {}
func (*Answer) input() {}
func (*Timer) input()  {}
func (Cancel) input()  {}

// Output is an Ask or a Done.
type Output interface{ output() }

// Ask is a question to the outside world.
type Ask struct {
	Ticket Ticket
	ID     uint32
	Kind   string
	Params string
	Body   []Piece
}

// Done ends a ticket.
type Done struct {
	Ticket  Ticket
	Outcome Outcome
}

func (Ask) output()  {}
func (Done) output() {}

// Outcome is an Emit, a Skip, a Retry or a Failure.
type Outcome interface{ outcome() }

// Emit is the records to write, at least one.
type Emit []Emission

// Skip is the word by which an event is counted that nothing is written for.
type Skip string

// Retry runs the event again.
type Retry struct {
	AfterMs *uint32 // nil: the host decides
	Failure Failure
}

// Failure makes an error event.
type Failure struct {
	Kind, Message string
	Stack         string // empty: none
}

func (Emit) outcome()    {}
func (Skip) outcome()    {}
func (Retry) outcome()   {}
func (Failure) outcome() {}

// Emission is one record to write.
type Emission struct {
	Output   string
	Key      []byte // nil: the host builds it
	Document Document
	Headers  []Header
}

// Document is a Whole, a Patch or a Tombstone.
type Document interface{ document() }

// Whole is a new document.
type Whole []Piece

// Patch is the input document with edits.
type Patch []Edit

// Tombstone is Kafka's null value.
type Tombstone struct{}

func (Whole) document()     {}
func (Patch) document()     {}
func (Tombstone) document() {}

// Edit is a change at a JSON Pointer.
type Edit struct {
	Path   string
	Change Change
}

// Change is a Set or a Remove.
type Change interface{ change() }

// Set puts one JSON value there.
type Set []Piece

// Remove takes away what is there.
type Remove struct{}

func (Set) change()    {}
func (Remove) change() {}

// Piece is a part of a value: Bytes, a Verbatim or a JSONString.
type Piece interface{ piece() }

// Bytes are written as they are.
type Bytes []byte

// Verbatim is a blob that is written as it is.
type Verbatim BlobID

// JSONString is a blob that is written as a quoted and escaped JSON string.
type JSONString BlobID

func (Bytes) piece()      {}
func (Verbatim) piece()   {}
func (JSONString) piece() {}
