package batch

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/batch"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/lake"
)

// mess is an hour as bad producers leave it: identities that come again with other content, on other partitions and on topics of
// other kinds, and feedback without a model whose request is named by several rows, or by a copy alone.
func mess(seed uint64, n int) []*bus.Message {
	rng := rand.New(rand.NewPCG(seed, 1))
	pick := func(texts ...string) string { return texts[rng.IntN(len(texts))] }
	msgs := make([]*bus.Message, n)
	for i := range msgs {
		k := event.Kinds[rng.IntN(len(event.Kinds))]
		e := &event.Event{Kind: k, ID: fmt.Sprintf("e%d", rng.IntN(n)), Source: pick("", "a"), HasTime: true, Time: hour*1e6 + rng.Int64N(3_600_000_000)}
		if m := pick("", "", "m1", "m2", "m3"); m != "" && k != event.SystemMetric {
			e.SetText(event.Model, m)
		}
		switch k {
		case event.LLMRequest:
			e.SetInt(event.DurationMS, rng.Int64N(5e9))
			e.SetInt(event.PromptTokens, rng.Int64N(1000))
			e.SetText(event.UserID, fmt.Sprint("u", rng.IntN(50)))
		case event.UserFeedback:
			e.SetFloat(event.SatisfactionScore, float64(1+rng.IntN(5)))
		case event.BusinessEvent:
			e.SetInt(event.BusinessValue, rng.Int64N(1e9))
		case event.SystemMetric:
			e.SetFloat(event.CPUUsage, rng.Float64()*100)
		}
		if k != event.SystemMetric && rng.IntN(4) > 0 {
			e.SetText(event.RequestID, fmt.Sprint("r", rng.IntN(n/4)))
		}
		e.Settle()
		topic := k.Topic()
		if rng.IntN(20) == 0 {
			topic = event.Kinds[rng.IntN(len(event.Kinds))].Topic()
		}
		msgs[i] = &bus.Message{Topic: topic, Key: fmt.Append(nil, rng.IntN(9)), Value: event.AppendJSON(nil, e)}
	}
	return msgs
}

// An hour folds to the same bytes before and after it is compacted, also when more comes later, and compaction leaves it clean.
func TestCompactionChangesNoByte(t *testing.T) {
	for seed := range uint64(4) {
		r := newRoad(t)
		s := r.batch(t, batch.Defaults())
		stop := start(t, s)
		for part := range uint64(3) {
			r.send(t, mess(seed*10+part, 800)) // ids of one part come again in the next
			aggregate(t, s)
			_, before := r.stored(t)
			build, err := r.store.HourBuild(t.Context(), hour)
			if err != nil {
				t.Fatal(err)
			}
			done, err := r.folder.Compact(t.Context(), r.store, lake.CompactOptions{Budget: 1 << 20})
			if err != nil || len(done) != 1 || done[0].RowsAfter >= done[0].RowsBefore || done[0].FilesAfter > done[0].FilesBefore {
				t.Fatal(done, err)
			}
			if after, err := r.store.HourBuild(t.Context(), hour); err != nil || after.Version != build.Version || after.Built != build.Built {
				t.Fatalf("%+v became %+v (%v)", build, after, err)
			}
			aggregate(t, s)
			if _, after := r.stored(t); !bytes.Equal(before, after) {
				t.Fatalf("seed %d, part %d: compaction changed the tables:\n%.3000s\n%.3000s", seed, part, before, after)
			}
		}
		stop()
	}
}
