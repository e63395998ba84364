package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// happen makes happenings of a model, with numbers from n on.
func happen(model string, n, count int) (out []Happening) {
	for i := range count {
		out = append(out, Happening{Time: time.Now(), Model: model, Data: json.RawMessage(`{"n":` + strconv.Itoa(n+i) + `}`)})
	}
	return out
}

// number is what happen wrote.
func number(t testing.TB, m told) int {
	t.Helper()
	data, _ := m.Data.Data.(map[string]any)
	n, ok := data["n"].(float64)
	if m.Data.Type != "event" || !ok {
		t.Fatalf("no happening but %+v", m)
	}
	return int(n)
}

func TestHappeningsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		r.hub.Tell("news", happen("", 0, 1)...) // before anybody listens
		all, one := r.open("/stream?topics=news,quiet", ""), r.open("/stream?topics=news&model=b", "")
		all.must("quiet")
		one.must("hello")
		r.hub.Tell("news", happen("a", 1, 3)...)
		r.hub.Tell("news", happen("b", 4, 2)...)
		var last uint64
		for i := range 5 {
			m := all.must("news")
			if number(t, m) != i+1 || m.Data.Seq <= last || m.ID != m.Data.Epoch+"."+strconv.FormatUint(m.Data.Seq, 10) || m.Data.Topic != "news" || !strings.HasSuffix(m.Data.T, "Z") {
				t.Errorf("happening %d is %+v", i+1, m)
			}
			last = m.Data.Seq
		}
		for i := range 2 {
			if m := one.must("news"); number(t, m) != i+4 {
				t.Errorf("of one model came %+v", m)
			}
		}
		if s := r.hub.Status().Topics[3]; s.Name != "news" || s.Subscribers != 2 || s.Seq != last {
			t.Errorf("status %+v", s)
		}
	})
}

// TestHappeningsOverTheCap: a client gets PerSecond of them, is told that there are more, and one that asks for less misses nothing.
func TestHappeningsOverTheCap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		all, one := r.open("/stream?topics=flood", ""), r.open("/stream?topics=flood&model=rare", "")
		all.must("hello")
		one.must("hello")
		r.hub.Tell("flood", happen("loud", 0, 5000)...)
		r.hub.Tell("flood", happen("rare", 5000, 10)...)
		for i := range PerSecond {
			if m := all.must("flood"); number(t, m) != i {
				t.Fatalf("%d came as %+v", i, m)
			}
		}
		if m := all.must("flood"); m.Data.Type != "error" || m.Data.Code != codeDropped || m.ID != "" || m.Data.Detail == "" {
			t.Errorf("over the cap came %+v", m)
		}
		for i := range 10 {
			if m := one.must("flood"); number(t, m) != 5000+i {
				t.Errorf("of the rare model came %+v", m)
			}
		}
		synctest.Wait()
		if n := r.hub.Status().Dropped; n != 5010-PerSecond {
			t.Errorf("%d dropped, not %d", n, 5010-PerSecond)
		}
		time.Sleep(time.Second)
		r.hub.Tell("flood", happen("loud", 9000, 1)...)
		if m := all.must("flood"); number(t, m) != 9000 {
			t.Errorf("in the next second came %+v", m)
		}
	})
}

// TestResumeMissesNothing cuts a client at any place of a stream of states and happenings; put together it has everything once.
func TestResumeMissesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		cuts := rapid.SliceOfN(rapid.IntRange(0, 9), 20, 20).Draw(rt, "messages until a cut")
		bursts := rapid.SliceOfN(rapid.IntRange(0, 40), 20, 20).Draw(rt, "happenings while away")
		synctest.Test(t, func(t *testing.T) {
			r := start(t, Config{SSEMax: 10})
			c := r.open("/stream?topics=news,metrics&interval_ms=250", "")
			last, next, want := c.must("metrics").ID, 0, 0
			take := func(m told) {
				if m.Data.Type == "reset" {
					t.Fatalf("a reset: %+v", m)
				}
				if m.ID != "" {
					last = m.ID
				}
				if m.Event == "news" {
					if n := number(t, m); n != want {
						t.Fatalf("%d came, not %d", n, want)
					}
					want++
				}
			}
			for i, n := range cuts {
				r.hub.Tell("news", happen("", next, bursts[i]/2)...)
				next += bursts[i] / 2
				r.set(map[string]any{"n": i})
				for range n {
					m, err := c.next()
					if err != nil {
						t.Fatal(err)
					}
					take(m)
				}
				c.close()
				r.hub.Tell("news", happen("", next, bursts[i]-bursts[i]/2)...)
				next += bursts[i] - bursts[i]/2
				c = r.open("/stream?topics=news,metrics&interval_ms=250", last)
			}
			for want < next {
				m, err := c.next()
				if err != nil {
					t.Fatal(err)
				}
				take(m)
			}
		})
	})
}

func TestWhatIsGoneIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream?topics=news", "")
		r.hub.Tell("news", happen("", 0, 1)...)
		first := c.must("news")
		c.close()
		// too old
		r.hub.Tell("news", happen("", 1, 1)...)
		time.Sleep(keepStory + time.Minute)
		r.hub.Tell("news", happen("", 2, 1)...)
		c = r.open("/stream?topics=news", first.ID)
		if m := c.must("news"); m.Data.Type != "reset" || m.Data.Reason == "" {
			t.Errorf("what is too old is told by %+v", m)
		}
		if m := c.must("news"); number(t, m) != 2 {
			t.Errorf("what is kept is told by %+v", m)
		}
		c.close()
		// too much, and nothing that could be packed
		last := r.hub.Status().Topics[3].Seq
		noise := rand.New(rand.NewPCG(1, 2))
		for i := range 12 {
			h := happen("", 10+i, 1)
			pad := make([]byte, 1<<20)
			for i := range pad {
				pad[i] = 'a' + byte(noise.IntN(26))
			}
			h[0].Data = json.RawMessage(`{"n":1,"pad":"` + string(pad) + `"}`)
			r.hub.Tell("news", h...)
		}
		c = r.open("/stream?topics=news", fmt.Sprintf("%s.%d", first.Data.Epoch, last))
		if m := c.must("news"); m.Data.Type != "reset" {
			t.Errorf("what was too much is told by %+v", m)
		}
		r.hub.mu.Lock()
		defer r.hub.mu.Unlock()
		if s := r.hub.stories["news"]; s.bytes > room {
			t.Errorf("%d bytes are kept", s.bytes)
		}
	})
}

// TestFeed: a feed runs while somebody listens and for a while after, whoever comes back in time misses nothing, and trouble is said.
func TestFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(chan any) // a number to tell, an error to end with, or a text for what was lost
		runs := make(chan int, 10)
		h := New(Config{SSEMax: 10}, slog.New(slog.DiscardHandler), Topic{Name: "fed", Feed: func(ctx context.Context, f *Feed) error {
			runs <- 1
			defer func() { runs <- -1 }()
			f.Begun()
			for {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case v := <-source:
					switch v := v.(type) {
					case int:
						f.Tell(happen("", v, 1)...)
					case string:
						f.Lost(v)
					case error:
						return v
					}
				}
			}
		}})
		r := &rig{t: t, wire: newCable(), hub: h}
		r.run()
		if len(runs) != 0 {
			t.Error("it runs without a listener")
		}
		c := r.open("/stream?topics=fed", "")
		c.must("hello")
		if <-runs != 1 {
			t.Error("it does not run")
		}
		source <- 1
		first := c.must("fed")
		c.close()
		time.Sleep(linger / 2)
		source <- 2
		c = r.open("/stream?topics=fed", first.ID)
		second := c.must("fed")
		if number(t, second) != 2 {
			t.Errorf("after a pause came %+v", second)
		}
		source <- "a reason"
		if m := c.must("fed"); m.Data.Type != "reset" || m.Data.Reason != "a reason" {
			t.Errorf("a loss was told by %+v", m)
		}
		source <- errors.New("the broker is gone")
		if <-runs != -1 || <-runs != 1 {
			t.Error("it was not begun again")
		}
		if m := c.must("fed"); m.Data.Type != "reset" {
			t.Errorf("a new beginning was told by %+v", m)
		}
		c.close()
		synctest.Wait()
		if time.Sleep(2 * linger); <-runs != -1 {
			t.Error("it runs on without a listener")
		}
		c = r.open("/stream?topics=fed", second.ID)
		if m := c.must("fed"); m.Data.Type != "reset" {
			t.Errorf("a position from before the pause was told by %+v", m)
		}
		source <- 3
		if m := c.must("fed"); number(t, m) != 3 {
			t.Errorf("then came %+v", m)
		}
	})
}

// TestFeedOutlivesAWaitingClient: who comes shortly before a feed would end for want of listeners, and has to wait for another one, is told.
func TestFeedOutlivesAWaitingClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := make(chan int)
		fed := Topic{Name: "fed", Feed: func(ctx context.Context, f *Feed) error {
			for f.Begun(); ; {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case n := <-source:
					f.Tell(happen("", n, 1)...)
				}
			}
		}}
		late := Topic{Name: "late", Feed: func(ctx context.Context, _ *Feed) error { <-ctx.Done(); return ctx.Err() }}
		h := New(Config{SSEMax: 10}, slog.New(slog.DiscardHandler), fed, late)
		r := &rig{t: t, wire: newCable(), hub: h}
		r.run()
		c := r.open("/stream?topics=fed", "")
		c.must("hello")
		c.close()
		time.Sleep(linger - time.Second)
		c = r.open("/stream?topics=fed,late", "") // waits longer for the second than the first would run
		c.must("hello")
		synctest.Wait()
		select {
		case source <- 1:
		default:
			t.Fatal("the feed has ended under a client")
		}
		if m := c.must("fed"); number(t, m) != 1 {
			t.Errorf("then came %+v", m)
		}
	})
}

// TestListeningStartsAFeed, also for a client whose way here took longer than the feed ran.
func TestListeningStartsAFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		h := New(Config{SSEMax: 10}, slog.New(slog.DiscardHandler), Topic{Name: "fed", Feed: func(ctx context.Context, f *Feed) error {
			runs++
			f.Begun()
			<-ctx.Done()
			return ctx.Err()
		}})
		r := &rig{t: t, wire: newCable(), hub: h}
		r.run()
		h.await(t.Context(), h.topics)
		time.Sleep(2 * linger) // the feed ends
		c := h.newClient(sse, "")
		if _, err := c.subscribe(wish{topics: h.topics}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if runs != 2 {
			t.Errorf("the feed ran %d times, not 2", runs)
		}
		c.leave()
	})
}

// TestWhatIsLeftOutIsBounded: models that a stranger makes up are counted together beyond a number, and take from the room of the topic.
func TestWhatIsLeftOutIsBounded(t *testing.T) {
	s := newStory(&Topic{Name: "flood", Capped: true})
	var out []Happening
	for i := range 3 * maxPaced {
		out = append(out, Happening{Model: strconv.Itoa(i)})
	}
	s.tell("e", 0, time.Unix(1, 0), out)
	k, total, size := s.chunks[0], 0, 0
	for g, n := range k.over {
		total, size = total+n, size+len(g.model)+overhead
	}
	if len(k.over) != maxPaced+1 || k.over[group{}] != 2*maxPaced || total != len(out) || s.bytes != size {
		t.Errorf("%d models, %d of them together, %d in all, %d bytes of %d", len(k.over), k.over[group{}], total, s.bytes, size)
	}
	if k.cool() < size {
		t.Error("it is not counted in a cold chunk")
	}
}

// TestRoom: a feed is told when no client could get more of a model, and what it leaves out then is counted.
func TestRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ask := make(chan struct{})
		var before, loud, rare, later bool
		h := New(Config{SSEMax: 10}, slog.New(slog.DiscardHandler), Topic{Name: "fed", Capped: true, Feed: func(ctx context.Context, f *Feed) error {
			f.Begun()
			<-ask
			before = f.Room("loud", "")
			f.Tell(happen("loud", 0, PerSecond)...)
			loud, rare = f.Room("loud", ""), f.Room("rare", "")
			f.Tell(Happening{Time: time.Now(), Model: "loud"})
			f.Tell(happen("rare", PerSecond, 1)...)
			time.Sleep(time.Second)
			later = f.Room("loud", "")
			<-ctx.Done()
			return ctx.Err()
		}})
		r := &rig{t: t, wire: newCable(), hub: h}
		r.run()
		c, of := r.open("/stream?topics=fed", ""), r.open("/stream?topics=fed&model=rare", "")
		c.must("hello")
		close(ask)
		for i := range PerSecond {
			if m := c.must("fed"); number(t, m) != i {
				t.Fatalf("%d came as %+v", i, m)
			}
		}
		if m := c.must("fed"); m.Data.Code != codeDropped {
			t.Errorf("then came %+v", m)
		}
		if m := of.must("fed"); number(t, m) != PerSecond {
			t.Errorf("of the rare model came %+v", m)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait() // the feed has written its answers
		if !before || loud || !rare || !later || h.Status().Dropped != 2 {
			t.Errorf("room: %t %t %t %t; %d dropped", before, loud, rare, later, h.Status().Dropped)
		}
	})
}

// TestFallenBehind: who takes too long for what happens is cut, and the others are not disturbed.
func TestFallenBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10, WriteTimeout: time.Hour})
		slow, fast := r.open("/stream?topics=news", ""), r.open("/stream?topics=news", "")
		slow.must("hello")
		fast.must("hello")
		for i := range 40 {
			r.hub.Tell("news", happen("", i, 1)...)
			if m := fast.must("news"); number(t, m) != i {
				t.Fatalf("%d came as %+v", i, m)
			}
			time.Sleep(time.Second)
		}
		var last told
		for {
			m, err := slow.next()
			if err != nil {
				break
			}
			last = m
		}
		if !strings.Contains(last.Comment, "behind") || r.hub.Status().SlowClosed != 1 {
			t.Errorf("the last word was %+v, %d were cut", last, r.hub.Status().SlowClosed)
		}
	})
}

func TestQuantilesAreNearTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s sampler
		now := time.Unix(1_700_000_000, 0)
		ms := rapid.SliceOfN(rapid.IntRange(0, 100_000), 1, 200).Draw(t, "ms")
		most := 0
		for _, v := range ms {
			s.add(now, time.Duration(v)*time.Millisecond)
			most = max(most, v)
		}
		q := s.quantiles(now.Add(30*time.Second), time.Millisecond)
		if q.Max != float64(most) || q.P50 > q.P95 || q.P95 > q.P99 || q.P99 > q.Max {
			t.Fatalf("%+v of %v", q, ms)
		}
		below := 0
		for _, v := range ms {
			if float64(v) <= q.P50 {
				below++
			}
		}
		if 2*below < len(ms) {
			t.Fatalf("half is %v, but %d of %d are below", q.P50, below, len(ms))
		}
		if q := s.quantiles(now.Add(2*time.Minute), time.Millisecond); q != (Quantiles{}) {
			t.Fatalf("after two minutes %+v", q)
		}
	})
}

// discards is a way to a client that takes frames as a socket does, and keeps their size.
type discards struct{ bytes int64 }

func (d *discards) send(frames ...[]byte) (err error) {
	b := net.Buffers(frames)
	d.bytes, err = b.WriteTo(io.Discard)
	return err
}
func (*discards) beat() error { return nil }
func (*discards) bye(error)   {}

// TestBytesAreCounted also where a round has several frames, which sending them may take apart.
func TestBytesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		c := r.hub.newClient(socket, "")
		if _, err := c.subscribe(wish{topics: []*Topic{r.hub.stories["news"].topic}}); err != nil {
			t.Fatal(err)
		}
		r.hub.Tell("news", happen("", 0, 1)...)
		r.hub.Tell("news", happen("", 1, 1)...)
		var out discards
		if err := new(round).run(c, &out); err != nil || out.bytes == 0 {
			t.Fatal(out.bytes, err)
		}
		time.Sleep(time.Second)
		if got, want := r.hub.Performance().Bytes, float64(out.bytes)/meterSpan; got != want {
			t.Errorf("%v bytes a second, not %v", got, want)
		}
		c.leave()
	})
}

// TestBuckets: each holds what counts there, and is a sixteenth wide.
func TestBuckets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(15*time.Minute)).Draw(t, "d"))
		if top := ceiling(bucket(d)); d > top || float64(top-d) > float64(d)/16 {
			t.Fatalf("%d counts in a bucket up to %d", d, top)
		}
	})
}

// TestKeptAtFullPace: five thousand events a second of some models are kept for a minute and more, and what is packed is told as it was.
func TestKeptAtFullPace(t *testing.T) {
	s, seq := newStory(&Topic{Name: "flood", Capped: true}), uint64(0)
	now := time.Unix(1_700_000_000, 0)
	text := func(i int) string {
		return fmt.Sprintf(`{"event_id":"01J9Z8Q4T0-%d","event_type":"llm_request","timestamp":"2026-03-01T12:00:00.%06dZ","source":"gateway","data":{"model":"m-%d","request_id":"01J9Z8Q4T0-%d","user_id":"user-%d","tenant":"team-%d","operation":"chat.completion.stream","duration_ms":%d,"ttft_ms":%d,"prompt_tokens":%d,"completion_tokens":%d,"success":true}}`,
			i, i*7919%1_000_000, i%8, i, i*31%500, i%6, 200+i*104729%3000, 20+i*15485863%400, 100+i%1700, 20+i%480)
	}
	const perTick, ticks = 250, 20 // a second
	for i := 0; i < 65*perTick*ticks; i += perTick {
		var told []Happening
		for n := i; n < i+perTick; n++ {
			told = append(told, Happening{Time: now, Model: "m-" + strconv.Itoa(n%8), Data: json.RawMessage(text(n))})
		}
		seq = s.tell("epoch", seq, now, told)
		now = now.Add(time.Second / ticks)
	}
	if kept := now.Sub(s.chunks[0].told); kept < time.Minute || s.bytes > roomCapped {
		t.Errorf("%v are kept in %d bytes", kept, s.bytes)
	}
	sum := 0
	for _, k := range s.chunks {
		sum += k.bytes
	}
	if sum != s.bytes {
		t.Errorf("the chunks have %d bytes, not %d", sum, s.bytes)
	}
	for _, k := range []*chunk{s.chunks[0], s.chunks[len(s.chunks)/2], s.chunks[len(s.chunks)-1]} {
		for i, h := range k.whole() {
			if n := int(k.first) + i - 1; string(h.Data) != text(n) || h.Model != "m-"+strconv.Itoa(n%8) {
				t.Fatalf("%d is %s", n, h.Data)
			}
		}
	}
}

// TestLatency runs from the write of a happening to its frame; what a client missed before it came does not count.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{SSEMax: 10})
		c := r.open("/stream?topics=news", "")
		c.must("hello")
		h := happen("", 1, 3)
		h[0].Time, h[1].Time, h[2].Time = time.Now().Add(-40*time.Millisecond), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		r.hub.Tell("news", h...)
		first := c.must("news")
		for range 2 {
			c.must("news")
		}
		synctest.Wait()
		if p := r.hub.Performance().Latency; p.Max != 40 || p.P50 != 0 || p.P99 != 40 {
			t.Errorf("%+v", p)
		}
		c.close()
		time.Sleep(90 * time.Second)
		r.open("/stream?topics=news", first.ID).must("news")
		synctest.Wait()
		if p := r.hub.Performance().Latency; p != (Quantiles{}) {
			t.Errorf("what was missed counts: %+v", p)
		}
	})
}

// TestLateClientsShareFrames: who is some hundred milliseconds late takes the frames that are made, however small the rows are that come; what is older is
// packed, and so is all but little of a topic that nobody can keep up with.
func TestLateClientsShareFrames(t *testing.T) {
	s, seq := newStory(&Topic{Name: "flood", Capped: true}), uint64(0)
	now := time.Unix(1_700_000_000, 0)
	data := json.RawMessage(`{"pad":"` + strings.Repeat("x", 330) + `"}`)
	row := make([]Happening, 5)
	for i := range row {
		row[i] = Happening{Time: now, Model: "m-" + strconv.Itoa(i), Data: data}
	}
	for range 3000 { // 5,000 in a second
		seq, now = s.tell("epoch", seq, now, row), now.Add(time.Millisecond)
	}
	late := s.chunks[len(s.chunks)-400]
	if first, again := late.shared(viewKey{}), late.shared(viewKey{}); first != again {
		t.Error("who is 400 ms late makes frames for himself")
	}
	hot := 0
	for i, k := range s.chunks {
		if k.cold != (i < s.cold) {
			t.Fatalf("chunk %d of %d that are cold is %t", i, s.cold, k.cold)
		}
		if !k.cold {
			hot += k.bytes
		}
	}
	if hot != s.hot || hot > fresh {
		t.Errorf("%d bytes are not packed, %d as it is counted", hot, s.hot)
	}
	if s.trim(now.Add(2 * keepStory)); s.hot != 0 || s.bytes != 0 || s.cold != 0 {
		t.Errorf("of nothing %d bytes are left, %d of them not packed", s.bytes, s.hot)
	}
}
