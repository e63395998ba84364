// Package eventtest makes blocks of the lake from rows in memory, for tests of the rooms that read the lake.
package eventtest

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Fill makes b the given rows, which are of one kind, with some columns. words tells whether text comes with a dictionary.
func Fill(b *event.LakeBlock, rows []event.LakeRow, columns event.LakeColumns, words bool) {
	b.Empty(rows[0].Event.Kind, len(rows))
	for f := range event.Catalogue {
		field := event.Field(f)
		if !columns.Has(event.LakeColumn(field)) {
			continue
		}
		if event.Catalogue[f].Type == event.Text {
			text(b, event.LakeColumn(field), rows, words, func(r *event.LakeRow) (string, bool) { return r.Event.Text(field), r.Event.Has(field) })
			continue
		}
		numbers(b, event.LakeColumn(field), rows, func(r *event.LakeRow) (int64, bool) { return r.Event.Int(field), r.Event.Has(field) })
	}
	envelope := map[event.LakeColumn]func(r *event.LakeRow) (string, bool){
		event.LakeID:            func(r *event.LakeRow) (string, bool) { return r.Event.ID, true },
		event.LakeSource:        func(r *event.LakeRow) (string, bool) { return r.Event.Source, r.Event.Source != "" },
		event.LakeCorrelation:   func(r *event.LakeRow) (string, bool) { return r.Event.CorrelationID, r.Event.CorrelationID != "" },
		event.LakeSchemaVersion: func(r *event.LakeRow) (string, bool) { return r.Event.SchemaVersion, r.Event.SchemaVersion != "" },
		event.LakeMetadata:      func(r *event.LakeRow) (string, bool) { return string(r.Event.Metadata), len(r.Event.Metadata) > 0 },
	}
	for c, of := range envelope {
		if columns.Has(c) {
			text(b, c, rows, words, of)
		}
	}
	for c, of := range map[event.LakeColumn]func(r *event.LakeRow) (int64, bool){
		event.LakeTime:     func(r *event.LakeRow) (int64, bool) { return r.Event.Time, true },
		event.LakeOffset:   func(r *event.LakeRow) (int64, bool) { return r.Offset, true },
		event.LakeIngested: func(r *event.LakeRow) (int64, bool) { return r.IngestedAt, true },
	} {
		if columns.Has(c) {
			numbers(b, c, rows, of)
		}
	}
	if columns.Has(event.LakeExtra) { // the number of the row stands for what it has
		at := -1
		text(b, event.LakeExtra, rows, false, func(r *event.LakeRow) (string, bool) {
			at++
			return strconv.Itoa(at), len(r.Event.Extra)+len(r.Event.Metrics) > 0
		})
		b.SplitExtra = func(text string, e *event.Event) error {
			i, err := strconv.Atoi(text)
			if err == nil {
				e.Extra, e.Metrics = rows[i].Event.Extra, append(e.Metrics, rows[i].Event.Metrics...)
			}
			return err
		}
	}
}

func text(b *event.LakeBlock, c event.LakeColumn, rows []event.LakeRow, words bool, of func(*event.LakeRow) (string, bool)) {
	v := b.Fill(c)
	numbers := map[string]int32{}
	v.MarkPresent(len(rows), len(rows))
	v.None = true
	for i := range rows {
		s, ok := of(&rows[i])
		v.Present[i], v.None = ok, v.None && !ok
		switch n, known := numbers[s]; {
		case !words:
			v.Words = append(v.Words, s)
		case known:
			v.Index = append(v.Index, n)
		default:
			n = int32(len(v.Words))
			numbers[s], v.Words, v.Index = n, append(v.Words, s), append(v.Index, n)
		}
	}
	lend(v)
	settle(v)
}

// lend moves the words into memory that the next filling writes over, as the lake does: so tests find out who keeps one without a copy.
func lend(v *event.LakeVector) {
	for _, w := range v.Words {
		v.Arena = append(v.Arena, w...)
	}
	at := 0
	for i, w := range v.Words {
		v.Words[i] = unsafe.String(unsafe.SliceData(v.Arena[at:]), len(w))
		at += len(w)
	}
}

func numbers(b *event.LakeBlock, c event.LakeColumn, rows []event.LakeRow, of func(*event.LakeRow) (int64, bool)) {
	v := b.Fill(c)
	v.MarkPresent(len(rows), len(rows))
	v.None = true
	for i := range rows {
		n, ok := of(&rows[i])
		v.Present[i], v.None = ok, v.None && !ok
		v.Ints, v.Floats = append(v.Ints, n), append(v.Floats, math.Float64frombits(uint64(n)))
	}
	settle(v)
}

// settle leaves Present out where every row has a value, as the lake does.
func settle(v *event.LakeVector) {
	for _, p := range v.Present {
		if !p {
			return
		}
	}
	v.Present = nil
}
