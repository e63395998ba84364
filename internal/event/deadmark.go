package event

import (
	"fmt"
	"strconv"
)

// HeaderRedrives stands on a record that was made from a dead letter: how often that had been sent again by then. When the record
// becomes a dead letter itself, the number comes along, so that loops are noticed.
const HeaderRedrives = "hxp-redrive-count"

// redrives reads the value of HeaderRedrives; what is no number there is a stranger's and counts nothing.
func redrives(value []byte) int {
	n, err := strconv.Atoi(string(value))
	if err != nil || n < 0 {
		return 0
	}
	return min(n, maxRedrives)
}

const maxRedrives = 255

// DeadMark says what became of a dead letter. It stands on the topic of the dead letters under the key of its letter, so that
// whoever reads that topic in order knows the state of each letter. Once redriven, always redriven.
type DeadMark struct {
	ID       string // of the letter
	Redriven bool   // false: it was tried in vain
	Redrives int    // how often it was tried, this time included
	At       int64  // microseconds since the epoch
	EventID  string // of the event that it became
}

// Names of the headers that carry a mark.
const (
	headerMark     = "mark" // id of the letter; a record with it is a mark
	headerState    = "state"
	headerRedrives = "redrive_count"
	headerMarked   = "marked_at"
	headerEvent    = "event_id"
	stateRedriven  = "redriven"
	stateOpen      = "open"
)

// State is how the state of a letter is called.
func (m *DeadMark) State() string {
	if m.Redriven {
		return stateRedriven
	}
	return stateOpen
}

// Record returns what is written to the topic of the dead letters. There is no value.
func (m *DeadMark) Record() (key []byte, headers []Header) {
	add := func(name, v string) { headers = append(headers, Header{name, []byte(v)}) }
	add(headerMark, m.ID)
	add(headerState, m.State())
	add(headerRedrives, strconv.Itoa(m.Redrives))
	add(headerMarked, FormatTime(m.At))
	if m.EventID != "" {
		add(headerEvent, m.EventID)
	}
	return []byte(m.ID), headers
}

// ParseDeadMark reads back what Record wrote. is tells whether the record is a mark at all.
func ParseDeadMark(key []byte, headers []Header) (m *DeadMark, is bool, err error) {
	if len(headers) == 0 || headers[0].Key != headerMark {
		return nil, false, nil
	}
	m = &DeadMark{}
	for _, h := range headers {
		v := string(h.Value)
		switch h.Key {
		case headerMark:
			m.ID = v
		case headerState:
			if v != stateRedriven && v != stateOpen {
				return nil, true, fmt.Errorf("mark of a dead letter: state %s is neither open nor redriven", quote(v))
			}
			m.Redriven = v == stateRedriven
		case headerRedrives:
			m.Redrives = redrives(h.Value)
		case headerMarked:
			if m.At, err = ParseTime(v); err != nil {
				return nil, true, fmt.Errorf("mark of a dead letter: %w", err)
			}
		case headerEvent:
			m.EventID = v
		}
	}
	if string(key) != m.ID {
		return nil, true, fmt.Errorf("mark of a dead letter: key %s and id %s differ", quote(string(key)), quote(m.ID))
	}
	return m, true, nil
}
