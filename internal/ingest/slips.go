package ingest

import (
	"fmt"
	"strings"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// warning is about an event that was taken, and yet may not say what its sender meant.
type warning struct {
	Index  int    `json:"index"`
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

// slips knows which unknown names of fields are nearly those of fields, so that a name is compared once.
type slips struct {
	mu    sync.Mutex
	meant map[slip]string // "" = none
}

type slip struct {
	kind event.Kind
	name string
}

// These bound what is remembered: how many names, and of how many bytes; others are invented, and not looked at.
const (
	maxSlips    = 1000
	longestSlip = 64
)

// of is the field that a name may stand for, "" for none. first tells whether nobody has asked for it before.
func (s *slips) of(kind event.Kind, name []byte) (field string, first bool) {
	if len(name) > longestSlip {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	field, known := s.meant[slip{kind, string(name)}]
	if known || len(s.meant) == maxSlips {
		return field, false
	}
	if s.meant == nil {
		s.meant = map[slip]string{}
	}
	field, _ = event.NearestField(strings.ToLower(string(name)), kind)
	s.meant[slip{kind, string(name)}] = field
	return field, true
}

// doubt looks at the names of unknown fields of b.e, the first event of a body that has some: what one program sends is alike. They are kept
// in any case; who meant a field of hxp would else miss it in all numbers, and wonder.
func (a *API) doubt(b *batch, i int) {
	b.doubted = true
	event.EachName(b.e.Extra, func(name []byte) {
		field, first := a.slips.of(b.e.Kind, name)
		if field == "" {
			return
		}
		a.metrics.lookalikes.WithLabelValues(field).Inc()
		if first {
			a.log.Warn("a field that hxp does not know is nearly one that it does; it is kept and not counted", "event_type", b.e.Kind.String(), "field", string(name), "known", field)
		}
		b.warnings = append(b.warnings, warning{i, string(name), fmt.Sprintf("kept, but hxp knows no such field of %s; did you mean %s?", b.e.Kind, field)})
	})
}
