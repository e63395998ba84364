package erasure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// What one topic may cost to look through, unless it was asked for.
const (
	mentionRecords = 2_000_000
	mentionTime    = 30 * time.Second
	shortName      = 6 // bytes with quotes, from which on a name is looked for without them
)

// sightings are the records of a topic in which a name stands, by partition; nil when there are too many to look at.
type sightings map[int32]sighting

type sighting struct{ records, last int64 }

func (s sightings) none() bool { return len(s) == 0 }

// sum is how many there are; nil = not known.
func (s sightings) sum() *int64 {
	if s == nil {
		return nil
	}
	n := int64(0)
	for _, of := range s {
		n += of.records
	}
	return &n
}

// find looks for a name in a topic.
func (l *Logs) find(ctx context.Context, topic string, logs map[int32]bus.Range, texts [][]byte, patient bool) (sightings, error) {
	limited, cancel := ctx, func() {}
	if !patient {
		records := int64(0)
		for _, log := range logs {
			records += log.End - log.Start
		}
		if records > mentionRecords {
			return nil, nil
		}
		limited, cancel = context.WithTimeout(ctx, mentionTime)
	}
	defer cancel()
	seen := sightings{}
	err := l.Bus.Walk(limited, topic, logs, func(batch []*bus.Message) error {
		for _, m := range batch {
			if mentions(m, texts) {
				seen[m.Partition] = sighting{seen[m.Partition].records + 1, m.Offset}
			}
		}
		return nil
	})
	if errors.Is(err, bus.ErrOutOfRange) || ctx.Err() == nil && limited.Err() != nil {
		return nil, nil
	}
	return seen, err
}

// mentions tells whether one of texts stands in a record. The headers of a dead letter may quote its payload.
func mentions(m *bus.Message, texts [][]byte) bool {
	return slices.ContainsFunc(texts, func(t []byte) bool {
		return bytes.Contains(m.Value, t) || bytes.Contains(m.Key, t) || slices.ContainsFunc(m.Headers, func(h bus.Header) bool { return bytes.Contains(h.Value, t) })
	})
}

// textsOf are the ways in which names may be written.
func textsOf(names []string) (texts [][]byte) {
	for _, n := range names {
		texts = append(texts, spellings(n)...)
	}
	return texts
}

// spellings are the ways in which producers write a name: as it is, and as JSON that escapes more or less of it. Not all records are JSON, so it
// is looked for without quotes; but not a short one, which stands in many words.
func spellings(name string) (texts [][]byte) {
	quote := func(s string) {
		if text := []byte(`"` + s + `"`); len(text) < shortName {
			texts = append(texts, text)
		} else {
			texts = append(texts, text[1:len(text)-1])
		}
	}
	for _, escape := range []func(r rune) bool{
		func(r rune) bool { return false },
		func(r rune) bool { return r == '<' || r == '>' || r == '&' || r == '\u2028' || r == '\u2029' }, // encoding/json
		func(r rune) bool { return r > '~' }, // such as Python's
	} {
		for _, format := range []string{`\u%04x`, `\u%04X`} {
			quote(escaped(name, format, escape))
		}
	}
	quote(name)
	slices.SortFunc(texts, bytes.Compare)
	return slices.CompactFunc(texts, bytes.Equal)
}

// escaped is a text as it stands in JSON, with more of it escaped than has to be.
func escaped(text, format string, also func(r rune) bool) string {
	var b strings.Builder
	for _, r := range text {
		short := strings.IndexRune("\b\f\n\r\t\"\\", r)
		switch {
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte("bfnrt\"\\"[short])
		case r >= ' ' && !also(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, format+format, high, low)
		default:
			fmt.Fprintf(&b, format, r)
		}
	}
	return b.String()
}
