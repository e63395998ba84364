package ingest

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// frail takes only so many messages of a write and leaves the rest, once; then it takes everything.
type frail struct {
	takes int // of the next write; -1 = all
	log   []*bus.Message
}

func (s *frail) Send(_ context.Context, msgs []*bus.Message) error {
	errs, first := make([]error, len(msgs)), -1
	for i, m := range msgs {
		if s.takes >= 0 && i >= s.takes {
			errs[i] = bus.ErrAway
			first = max(first, i)
			continue
		}
		m.Partition, m.Offset = 0, int64(len(s.log))
		s.log = append(s.log, &bus.Message{Topic: m.Topic, Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value)}) // m is used again
	}
	s.takes = -1
	if first >= 0 {
		return &bus.SendError{Errs: errs, First: first}
	}
	return nil
}

// values tells how often each event, and each dead letter, was written, by its id.
func (s *frail) values(t *testing.T) (events, dead map[string]int) {
	t.Helper()
	events, dead = map[string]int{}, map[string]int{}
	for _, m := range s.log {
		if m.Topic == event.TopicDeadLetters {
			dead[string(m.Key)]++
			continue
		}
		var e event.Event
		if bad := new(event.Parser).Parse(m.Value, &e); bad != nil {
			t.Fatal(bad)
		}
		events[e.ID]++
	}
	return events, dead
}

// A body of events without ids is sent again after a write of which a part got through: what was written is not written twice, and
// what was refused is one dead letter. The same body once more is new.
func TestABodyThatIsSentAgainCountsOnce(t *testing.T) {
	same := `{"event_type":"llm_request","data":{"model":"m"}}`
	body := []byte("[" + same + "," + same + `,{"event_type":"nope"},` + same + "]")
	for takes := range 5 {
		for _, key := range []string{"", "k-1"} {
			t.Run(fmt.Sprint(takes, key), func(t *testing.T) {
				s := &frail{takes: takes}
				f := serve(t, newAPI(Defaults(), s, nil, nil), nil)
				header := []string{}
				if key != "" {
					header = []string{"Idempotency-Key", key}
				}
				if r := f.post("/events", jsonType_, body, header...); takes < 4 && r.Status != 503 || takes == 4 && r.Status != 207 {
					t.Fatalf("%d %s", r.Status, r.Body)
				}
				if takes < 4 {
					written := min(takes, 2) + max(takes-3, 0) // the third is the one for the dead letters
					if r := f.post("/events", jsonType_, body, header...); r.Status != 207 || r.Accepted != 3-written || r.Duplicates != written || len(r.Results) != 3 {
						t.Errorf("%d %s", r.Status, r.Body)
					}
				}
				events, dead := s.values(t)
				if len(events) != 3 || len(dead) != 1 {
					t.Errorf("events %v, dead letters %v", events, dead)
				}
				for id, n := range events {
					if n != 1 {
						t.Errorf("event %s is written %d times", id, n)
					}
				}
				if r := f.post("/events", jsonType_, body, header...); key == "" && r.Accepted != 3 || key != "" && r.Duplicates != 3 {
					t.Errorf("a body that is the same later: %s", r.Body)
				}
				if _, dead := s.values(t); key == "" && len(dead) != 2 || key != "" && len(dead) != 1 {
					t.Errorf("dead letters %v", dead)
				}
			})
		}
	}
}

// Another sender, another body and another place in it are no repetition, and nothing is remembered for ever.
func TestWhatIsUnfinishedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUnfinished()
		of := func(sender, body string) *batch {
			return &batch{sender: sender, contentType: jsonType_, body: []byte(body), spans: []span{{0, len(body)}, {0, len(body)}}}
		}
		u.put(of("a", "x"), 0, "id", time.Now())
		for name, id := range map[string]string{
			"sender": u.take(of("b", "x"), 0, time.Now()), "body": u.take(of("a", "y"), 0, time.Now()), "place": u.take(of("a", "x"), 1, time.Now()),
		} {
			if id != "" {
				t.Errorf("another %s has the id", name)
			}
		}
		if id := u.take(of("a", "x"), 0, time.Now()); id != "id" {
			t.Errorf("the same has %q", id)
		}
		if id := u.take(of("a", "x"), 0, time.Now()); id != "" {
			t.Errorf("once more it has %q", id)
		}
		u.put(of("a", "x"), 0, "again", time.Now())
		time.Sleep(unfinishedTime)
		if id := u.take(of("a", "x"), 0, time.Now()); id != "" || u.some.Load() {
			t.Errorf("too late it has %q", id)
		}
		for i := range maxUnfinished + 5 {
			u.put(of("a", fmt.Sprint(i)), 0, "id", time.Now())
		}
		if len(u.ids) != maxUnfinished || len(u.order) != maxUnfinished {
			t.Errorf("%d ids in %d places", len(u.ids), len(u.order))
		}
	})
}
