package stream

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// joinNumbers of the world; its lane has number 0.
const joinNumbers = 2

var (
	business0 = source{TopicID: "t3", Topic: "business-events"}
	joins0    = source{TopicID: "t4", Topic: event.TopicJoins}
)

func joinWorld(w *world) *world {
	w.joined, w.away = newLog(), newLog()
	w.inputs[business0], w.inputs[joins0] = newLog(), newLog()
	return w
}

// partOf is an event of a request; n tells those of one kind apart.
func partOf(k event.Kind, request string, n int) *event.Event {
	e := &event.Event{ID: fmt.Sprintf("%s-%s-%d", k, request, n), Source: "s", Kind: k, Time: time.Now().UnixMicro(), HasTime: true}
	e.SetText(event.RequestID, request)
	return e
}

// handOver writes events to hxp-joins as another lane does.
func (w *world) handOver(events ...*event.Event) {
	work := newWork(requests0, 0)
	for _, e := range events {
		work.putAside(0, e, time.Now().UnixMicro())
	}
	work.sealParts()
	for _, m := range work.side {
		w.inputs[joins0].SendAsync(w.t.Context(), m, func(*bus.Message, error) {})
	}
}

// idsOf are the ids of parts by request.
type idsOf map[string]map[string]bool

// add notes a part and tells whether it is new.
func (o idsOf) add(request, id string) bool {
	if o[request] == nil {
		o[request] = map[string]bool{}
	}
	was := o[request][id]
	o[request][strings.Clone(id)] = true
	return !was
}

// written is the union of all records of hxp-correlations. Each record must say something new, unless owners compete.
func (w *world) written(compete bool) idsOf {
	w.t.Helper()
	out := idsOf{}
	for _, m := range w.joined.values {
		d := decoder{src: m.Value}
		d.bytes(len(joinedMagic) + 1 + 16)
		of, number := d.uvarint(), d.uvarint()
		d.uvarint()
		if d.err != nil || of != joinNumbers || number != 0 {
			w.t.Fatalf("a record of %d join numbers for number %d, %v", of, number, d.err)
		}
		for src := d.src; len(src) > 0; {
			var r join.Record
			rest, err := r.Read(src)
			if err != nil {
				w.t.Fatal(err)
			}
			v, err := r.View()
			if err != nil {
				w.t.Fatal(err)
			}
			fresh := false
			for _, part := range r.Parts {
				_, id := event.CompactOrigin(part)
				fresh = out.add(v.RequestID, id) || fresh
			}
			if !fresh && !compete {
				w.t.Errorf("a record of %s says nothing new", v.RequestID)
			}
			src = rest
		}
	}
	return out
}

// putAway is the union of what was handed over to the other lane.
func (w *world) putAway() idsOf {
	w.t.Helper()
	out := idsOf{}
	for _, m := range w.away.values {
		for src := m.Value[len(partsMagic)+1:]; len(src) > 0; {
			_, n := binary.Varint(src)
			var e event.Event
			rest, err := e.ReadCompact(src[n:])
			if err != nil {
				w.t.Fatal(err)
			}
			if m.Partition != event.JoinNumber(e.Text(event.RequestID), joinNumbers) {
				w.t.Errorf("%s went to partition %d", e.Text(event.RequestID), m.Partition)
			}
			out.add(e.Text(event.RequestID), e.ID)
			src = rest
		}
	}
	return out
}

// traffic puts a random event and notes it where it must be found in the end.
func (w *world) traffic(rnd *rand.Rand, mine, others idsOf) {
	kinds := []struct {
		kind event.Kind
		src  source
	}{{event.LLMRequest, requests0}, {event.UserFeedback, feedback0}, {event.BusinessEvent, business0}}
	k := kinds[rnd.IntN(3)]
	e := partOf(k.kind, fmt.Sprint("r", rnd.IntN(40)), rnd.IntN(3))
	switch request := e.Text(event.RequestID); {
	case event.JoinNumber(request, joinNumbers) != 0:
		others.add(request, e.ID)
		w.put(k.src, e)
	case rnd.IntN(4) == 0: // was read on another partition
		mine.add(request, e.ID)
		w.handOver(e)
	default:
		mine.add(request, e.ID)
		w.put(k.src, e)
	}
}

// Whatever ends a lane, and whenever: each part gets into hxp-correlations or to its own lane, and no record says what the topic
// says already.
func TestJoinedRecordsSurviveKills(t *testing.T) {
	for seed := range uint64(6) {
		bubble(t, func(t *testing.T, w *world) {
			joinWorld(w)
			rnd := rand.New(rand.NewPCG(seed, 7))
			mine, others, dir := idsOf{}, idsOf{}, t.TempDir()
			cfg := quick()
			cfg.SnapshotEvery = 20 * time.Second
			r := w.start(cfg, dir)
			for range 400 {
				switch rnd.IntN(40) {
				case 0:
					r.crash()
					r = w.start(cfg, dir)
				case 1:
					r.kill()
					r = w.start(cfg, dir)
				case 2:
					r.stop()
					r = w.start(cfg, dir)
				case 3:
					time.Sleep(time.Duration(rnd.IntN(70)) * time.Second)
				default:
					w.traffic(rnd, mine, others)
				}
			}
			r.settle()
			time.Sleep(2 * time.Minute)
			r.settle()
			if s := r.joinStats(); s.Open != 0 || int(s.Complete+s.Partial) != len(mine) {
				t.Errorf("seed %d: %+v for %d requests", seed, s, len(mine))
			}
			r.stop()
			if got := w.written(false); !maps.EqualFunc(got, mine, maps.Equal) {
				t.Errorf("seed %d: written\n%v\nwant\n%v", seed, got, mine)
			}
			if got := w.putAway(); !maps.EqualFunc(got, others, maps.Equal) {
				t.Errorf("seed %d: handed over\n%v\nwant\n%v", seed, got, others)
			}
		})
	}
}

// Of two owners the one whose units count writes; when it is gone the other writes what it has not.
func TestAnotherOwnerWritesWhatIsLeft(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		joinWorld(w)
		rnd := rand.New(rand.NewPCG(1, 2))
		mine, others := idsOf{}, idsOf{}
		one, two := w.start(quick(), t.TempDir()), w.start(quick(), t.TempDir())
		for range 150 {
			w.traffic(rnd, mine, others)
			time.Sleep(100 * time.Millisecond)
		}
		one.settle()
		one.crash()
		for range 50 {
			w.traffic(rnd, mine, others)
		}
		time.Sleep(2 * time.Minute)
		two.settle()
		two.stop()
		if got := w.written(true); !maps.EqualFunc(got, mine, maps.Equal) {
			t.Errorf("written\n%v\nwant\n%v", got, mine)
		}
	})
}

// A request stays open for its window of arrival time, however old its events say they are, and as long as a partition that may
// have its parts is not read.
func TestRequestsCloseByArrival(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		joinWorld(w)
		r := w.start(quick(), t.TempDir())
		id := "r0"
		for n := 0; event.JoinNumber(id, joinNumbers) != 0; n++ {
			id = fmt.Sprint("r", n)
		}
		e := partOf(event.LLMRequest, id, 1)
		e.Time -= 3600 * 1e6
		w.put(requests0, e)
		time.Sleep(59 * time.Second)
		r.settle()
		if s := r.joinStats(); s.Open != 1 || s.Closed != 0 {
			t.Errorf("after 59 s: %+v", s)
		}
		time.Sleep(3 * time.Second)
		r.settle()
		if s := r.joinStats(); s.Open != 0 || s.Partial != 1 {
			t.Errorf("after 62 s: %+v", s)
		}
		w.put(feedback0, partOf(event.UserFeedback, id, 1))
		w.put(business0, partOf(event.BusinessEvent, id, 1))
		r.settle()
		if s := r.joinStats(); s.Complete != 1 || s.CompleteStub != 1 || s.Feedback != 1 {
			t.Errorf("after later parts: %+v", s)
		}
		r.stop()
	})
}

// While hxp-correlations takes nothing records wait, and are written when it does again.
func TestRecordsWaitForTheTopic(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		joinWorld(w)
		dir := t.TempDir()
		r := w.start(quick(), dir)
		w.joined.change(func() { w.joined.refuse = bus.ErrAccess })
		mine := idsOf{}
		for n := range 300 {
			id := fmt.Sprint("r", n)
			if event.JoinNumber(id, joinNumbers) != 0 {
				continue
			}
			for _, e := range []*event.Event{partOf(event.LLMRequest, id, 0), partOf(event.UserFeedback, id, 0), partOf(event.BusinessEvent, id, 0)} {
				mine.add(id, e.ID)
				w.put(map[event.Kind]source{event.LLMRequest: requests0, event.UserFeedback: feedback0, event.BusinessEvent: business0}[e.Kind], e)
			}
		}
		r.settle()
		if err := r.Healthy(); err == nil || !strings.Contains(err.Error(), event.TopicCorrelations) {
			t.Errorf("health: %v", err)
		}
		r.stop()
		if len(w.joined.values) > 0 {
			t.Fatal("something was written")
		}
		w.joined.change(func() { w.joined.refuse = nil })
		r = w.start(quick(), dir)
		time.Sleep(time.Second)
		r.settle()
		if err := r.Healthy(); err != nil {
			t.Errorf("health: %v", err)
		}
		r.stop()
		if got := w.written(false); !maps.EqualFunc(got, mine, maps.Equal) {
			t.Errorf("written %v, want %v", got, mine)
		}
	})
}
