package agg

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/event/eventtest"
)

func anyRequests(t *rapid.T) []event.LakeRow {
	rows := make([]event.LakeRow, rapid.IntRange(1, 400).Draw(t, "rows"))
	seldom := func(what string) bool { return rapid.IntRange(0, 9).Draw(t, what) == 0 }
	few := rapid.Bool().Draw(t, "few users")
	absent := map[event.Field]bool{}
	for f := range event.Catalogue {
		absent[event.Field(f)] = rapid.Bool().Draw(t, "column is absent")
	}
	for i := range rows {
		e := &rows[i].Event
		e.Kind, e.Time, e.HasTime = event.LLMRequest, rapid.Int64Range(0, 1e9).Draw(t, "time"), true
		rows[i].IngestedAt = e.Time + rapid.Int64Range(-1e6, 600e6).Draw(t, "after")
		for _, f := range []event.Field{event.DurationMS, event.TTFT, event.TPOT, event.PromptTokens, event.CompletionTokens, event.TotalTokens, event.CachedTokens, event.ReasoningTokens, event.Cost} {
			if !absent[f] && !seldom("absent") {
				e.SetInt(f, rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 1e10), rapid.Int64Range(-5, 1<<62)).Draw(t, "value"))
			}
		}
		if !absent[event.Success] && !seldom("unknown") {
			e.SetBool(event.Success, !seldom("failed"))
		}
		for _, f := range []event.Field{event.UserID, event.SessionID} {
			if !absent[f] && !seldom("nobody") {
				n := rapid.IntRange(0, 5000).Draw(t, "who")
				if few {
					n %= 10
				}
				e.SetText(f, string(rune('a'+n)))
			}
		}
	}
	return rows
}

// Adding rows of a block is adding their events one by one, whatever was added before.
func TestAddRequestsIsAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := anyRequests(t)
		lateness := 5 * time.Minute
		var block event.LakeBlock
		var q Requests
		var got, want Cell
		for range rapid.IntRange(1, 3).Draw(t, "blocks") {
			eventtest.Fill(&block, rows, RequestColumns, rapid.Bool().Draw(t, "dictionary"))
			q.Prepare(&block, lateness)
			var chosen []int32
			for i := range rows {
				if rapid.IntRange(0, 4).Draw(t, "chosen") > 0 {
					chosen = append(chosen, int32(i))
				}
			}
			got.AddRequests(&q, chosen)
			for _, i := range chosen {
				r := &rows[i]
				want.Add(&r.Event, time.Duration(r.IngestedAt-r.Event.Time)*time.Microsecond > lateness)
			}
			if a, b := got.Append(nil), want.Append(nil); !bytes.Equal(a, b) {
				t.Fatalf("by rows\n%x\nby events\n%x", a, b)
			}
			rows = anyRequests(t)
		}
	})
}

func BenchmarkAddRequests(b *testing.B) {
	const n, models = 64 << 10, 12
	rows := make([]event.LakeRow, n)
	chosen := make([][]int32, models)
	for i := range rows {
		e := &rows[i].Event
		e.Kind, e.Time, e.HasTime = event.LLMRequest, int64(i), true
		e.SetText(event.UserID, "user-"+string(rune('a'+i*7919%5000)))
		e.SetInt(event.DurationMS, int64(i*104729%3_000_000_000))
		e.SetInt(event.TTFT, int64(i*15485863%400_000_000))
		e.SetInt(event.PromptTokens, int64(i%1700))
		e.SetInt(event.CompletionTokens, int64(i%480))
		e.SetInt(event.Cost, int64(i%4800))
		e.SetBool(event.Success, i%97 != 0)
		e.Settle()
		chosen[i*31%models] = append(chosen[i*31%models], int32(i))
	}
	var block event.LakeBlock
	eventtest.Fill(&block, rows, RequestColumns, false)
	var q Requests
	cells := make([]Cell, models)
	for b.Loop() {
		q.Prepare(&block, time.Minute)
		for m := range cells {
			cells[m].AddRequests(&q, chosen[m])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
	b.ReportMetric(0, "ns/op")
}
