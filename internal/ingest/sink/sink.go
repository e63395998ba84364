package sink

import (
	"context"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Item is one encoded event on its way. The sink owns Key and Value from Send on.
type Item struct {
	Kind  event.Kind
	Key   []byte // partition key: request id, else host, else event id
	Value []byte // canonical envelope
	Size  int64  // bytes of input that this item stands for, for progress; 0 when unknown
	File  string // where it was read, for refusals; "" when it was made up
	Line  int
}

// ItemOf encodes e, which may be reused afterwards. The memory of the item is its own.
func ItemOf(e *event.Event) Item {
	b := event.AppendJSON(make([]byte, 0, 512), e)
	return Item{Kind: e.Kind, Key: []byte(e.Key()), Value: b}
}

// Sink takes items and tells the report what became of them.
type Sink interface {
	// Send hands one item over. It blocks while too much is under way. An error ends the whole run.
	Send(ctx context.Context, it Item, r Report) error
	// Flush waits until everything handed over has been reported, or says why that will not happen.
	Flush(ctx context.Context) error
}

// Report hears what became of an item. Its methods are called from the goroutines of the sink.
type Report interface {
	Sent(it Item)                   // acknowledged, not known before as far as the way in can tell
	Duplicate(it Item)              // known before: counts as sent too
	Refused(it Item, reason string) // the way in does not want it
}

// oneLine makes a reason fit for one line of a terminal.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
