package format

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Items is what a body was found to hold. Its zero value is ready but for Max.
type Items struct {
	Max  int              // most items and skipped things that a body may hold
	Text []byte           // the events, one text after another
	Ends []int            // where the text of each item ends
	Bad  []*event.Invalid // by item; nil = its text is to be judged as an event
	Left []Skipped        // what is no event at all, by reason

	seen int
}

// Skipped counts things of a body that are no events, for one reason.
type Skipped struct {
	Reason string
	Count  int
}

// ErrTooMany says that a body holds more things than allowed.
var ErrTooMany = errors.New("too many items")

// more makes room for one more thing; the error ends the reading of the body.
func (it *Items) more() error {
	if it.seen++; it.seen > it.Max {
		return fmt.Errorf("%w: the body has more than %d; send them in several bodies", ErrTooMany, it.Max)
	}
	return nil
}

// add appends an event. bad, when not nil, is what is wrong with it beyond what its text shows.
func (it *Items) add(e *event.Event, bad *event.Invalid) {
	e.Settle()
	it.Text = event.AppendJSON(it.Text, e)
	it.end(bad)
}

// addRaw appends the bytes of something that no event can be made of.
func (it *Items) addRaw(raw []byte, bad *event.Invalid) {
	it.Text = append(it.Text, raw...)
	it.end(bad)
}

func (it *Items) end(bad *event.Invalid) {
	it.Ends = append(it.Ends, len(it.Text))
	it.Bad = append(it.Bad, bad)
}

// skip counts something that is no event.
func (it *Items) skip(reason string) {
	at := slices.IndexFunc(it.Left, func(s Skipped) bool { return s.Reason == reason })
	if at < 0 {
		it.Left = append(it.Left, Skipped{reason, 0}) // reasons are constants of this package
		at = len(it.Left) - 1
	}
	it.Left[at].Count++
}

// Skipped is how many things were no events.
func (it *Items) Skipped() (n int) {
	for _, s := range it.Left {
		n += s.Count
	}
	return n
}

// Reasons says in a sentence what was no event and why; "" when all was.
func (it *Items) Reasons() string {
	var parts []string
	for _, s := range it.Left {
		parts = append(parts, fmt.Sprintf("%d %s", s.Count, s.Reason))
	}
	return strings.Join(parts, "; ")
}

// wrong is a fault of the foreign format.
func wrong(pointer, detail string) *event.Invalid {
	return &event.Invalid{Code: event.CodeFormat, Pointer: pointer, Detail: detail}
}
