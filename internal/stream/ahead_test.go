package stream

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// However records come in batches, what is made of them is what is made of one after the other.
func TestBatchesFoldAsRecordsDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.SliceOfN(record(), 1, 100).Draw(t, "records")
		for i, m := range ms {
			m.Offset = int64(i)
		}
		want, got := aheadFolder(), aheadFolder()
		for _, m := range ms {
			want.foldAll([]*bus.Message{m})
		}
		for left := ms; len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(t, "batch")
			got.foldAll(left[:n])
			left = left[n:]
		}
		w, g := want.open, got.open
		w.header.Unit = g.header.Unit
		if !reflect.DeepEqual(w.header, g.header) || !reflect.DeepEqual(w.side, g.side) || !reflect.DeepEqual(cells(w), cells(g)) {
			t.Fatalf("%+v\n%+v", w.header, g.header)
		}
		if a, b := joinedOf(want), joinedOf(got); a != b {
			t.Fatalf("joined: %q\n%q", a, b)
		}
	})
}

// record is an event of a few ids and requests, valid or not.
func record() *rapid.Generator[*bus.Message] {
	return rapid.Custom(func(t *rapid.T) *bus.Message {
		e := at(time.Unix(1000+rapid.Int64Range(-400, 400).Draw(t, "time"), 0), fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "id")))
		e.SetText(event.RequestID, fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "request")))
		value := event.AppendJSON(nil, e)
		if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
			value = value[:len(value)-1]
		}
		return &bus.Message{Topic: "llm-requests", Timestamp: time.Unix(1000, 0), Value: value}
	})
}

func aheadFolder() *folder {
	cfg := testConfig()
	f := &folder{
		src: requests0, cfg: &cfg, names: newNames(&cfg), filter: newFilter(1 << 16), watermark: noWatermark, now: 1e15,
		joins: newJoins(0, 2, bus.Shape{Partitions: 2}, [16]byte{}, &cfg, nil),
	}
	f.begin(0)
	return f
}

func cells(w *work) map[paneKey]string {
	out := map[paneKey]string{}
	for k, c := range w.first() {
		out[k] = string((*agg.Cell).Append(c, nil))
	}
	return out
}

// joinedOf is what is joined, and what is put aside for others.
func joinedOf(f *folder) string {
	t := f.joins.table
	t.Advance(1<<60, 1<<62)
	out := fmt.Sprintf("%q", f.open.aside)
	var r join.Record
	for rest := t.Take(nil, 1<<60); len(rest) > 0; {
		var err error
		if rest, err = r.Read(rest); err != nil {
			return err.Error()
		}
		out += fmt.Sprintf("\n%d %q", r.First, r.Parts)
	}
	return out
}
