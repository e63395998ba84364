package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// joinedRequest is what must be found of a request: whether there is one, and how much feedback and business.
type joinedRequest struct {
	request            bool
	feedback, business int
}

func (j joinedRequest) status() string {
	if j.request && j.feedback > 0 && j.business > 0 {
		return "complete"
	}
	return "partial"
}

type correlations struct {
	Summary      struct{ Open, Complete, Partial int }
	Correlations []struct {
		RequestID string `json:"request_id"`
		Status    string
		Sequence  int
		Request   *struct{ Model string }
		Feedback  []any
		Business  []any `json:"business_events"`
	}
	NextCursor *string `json:"next_cursor"`
}

// Requests, feedback that a producer keys by user, and business events, in whatever order, with kills in between: each request is
// joined as it must be, and once.
func TestJoinsSurviveKills(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes")
	}
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "EVENT_CORRELATION_WINDOW_SIZE=2")
	h.up(t)
	rnd := rand.New(rand.NewPCG(3, 4))
	want, msgs := joinTraffic(rnd, 400)
	for len(msgs) > 0 {
		n := min(len(msgs), 60+rnd.IntN(200))
		h.deliver(t, msgs[:n])
		msgs = msgs[n:]
		if rnd.IntN(2) == 0 {
			h.kill()
			h.up(t)
		}
	}
	h.joined(t, want)
	h.kill()
	h.up(t)
	h.joined(t, want)
	late := "join-1"
	j := want[late]
	j.business++
	want[late] = j
	value := joinEvent("business_event", "late", late, `"business_value_usd":1`)
	h.deliver(t, []*bus.Message{{Topic: "business-events", Key: []byte("x"), Value: value}, {Topic: "business-events", Key: []byte("x"), Value: value}})
	h.joined(t, want)
}

func joinEvent(kind, id, request, more string) []byte {
	return fmt.Appendf(nil, `{"event_id":%q,"event_type":%q,"timestamp":%q,"source":"e2e","data":{"request_id":%q,%s}}`, id, kind, stamp(time.Now()), request, more)
}

// joinTraffic is events of n requests in random order, with what must become of them.
func joinTraffic(rnd *rand.Rand, n int) (map[string]joinedRequest, []*bus.Message) {
	want := map[string]joinedRequest{}
	var msgs []*bus.Message
	for i := range n {
		id := fmt.Sprint("join-", i)
		j := joinedRequest{request: rnd.IntN(10) > 0, feedback: rnd.IntN(3), business: rnd.IntN(2)}
		if j == (joinedRequest{}) {
			j.feedback = 1
		}
		want[id] = j
		if j.request {
			msgs = append(msgs, &bus.Message{Topic: "llm-requests", Key: []byte(id), Value: joinEvent("llm_request", id+"-q", id, fmt.Sprintf(`"model":"m%d","cost_usd":0.002`, i%3))})
		}
		for k := range j.feedback {
			msgs = append(msgs, &bus.Message{Topic: "user-feedback", Key: fmt.Append(nil, "u", i%9), Value: joinEvent("user_feedback", fmt.Sprint(id, "-f", k), id, `"satisfaction_score":4`)})
		}
		if j.business > 0 {
			msgs = append(msgs, &bus.Message{Topic: "business-events", Key: []byte(id), Value: joinEvent("business_event", id+"-b", id, `"business_value_usd":0.5`)})
		}
	}
	rnd.Shuffle(len(msgs), func(a, b int) { msgs[a], msgs[b] = msgs[b], msgs[a] })
	return want, msgs
}

// joined waits until every request is joined as it must be.
func (h *instance) joined(t *testing.T, want map[string]joinedRequest) {
	t.Helper()
	var wrong string
	end := time.After(60 * time.Second)
	for {
		if wrong = h.wrongJoin(t, want); wrong == "" {
			return
		}
		select {
		case <-end:
			t.Fatal(wrong)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wrongJoin says what is not joined as it must be, "" when all is.
func (h *instance) wrongJoin(t *testing.T, want map[string]joinedRequest) string {
	t.Helper()
	seen, tally, cursor := map[string]bool{}, map[string]int{}, ""
	for {
		var page correlations
		h.get(t, "event-processing-api", "/correlations?limit=150&cursor="+url.QueryEscape(cursor), &page)
		for _, c := range page.Correlations {
			j, known := want[c.RequestID]
			got := joinedRequest{c.Request != nil, len(c.Feedback), len(c.Business)}
			if !known || seen[c.RequestID] || got != j || c.Status != j.status() {
				return fmt.Sprintf("%s is %s with %+v (seen before: %v), want %s with %+v", c.RequestID, c.Status, got, seen[c.RequestID], j.status(), j)
			}
			seen[c.RequestID] = true
			tally[c.Status]++
		}
		if page.NextCursor == nil {
			if s := page.Summary; len(seen) != len(want) || s.Open != 0 || s.Complete != tally["complete"] || s.Partial != tally["partial"] {
				return fmt.Sprintf("%d requests listed, want %d; summary %+v, list %v", len(seen), len(want), s, tally)
			}
			return ""
		}
		if cursor = *page.NextCursor; strings.TrimSpace(cursor) == "" {
			t.Fatal("an empty cursor")
		}
	}
}
