package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

// crowd is as many lanes as there are join numbers, fed without brokers in between.
type crowd struct {
	folders []*folder
	written map[[2]uint64]uint8 // kinds of the parts in hxp-correlations, by request
	again   int                 // records that say nothing new
	memory  int64               // the most that the tables took
	buffer  []byte
}

func newCrowd(lanes int, bytes int64) *crowd {
	c := &crowd{written: map[[2]uint64]uint8{}}
	cfg := testConfig()
	cfg.CorrelationBytes = bytes
	for n := range lanes {
		f := &folder{src: source{Topic: "t", Partition: int32(n)}, cfg: &cfg, joins: newJoins(int32(n), lanes, bus.Shape{Partitions: lanes}, [16]byte{}, &cfg, nil)}
		f.filter = newFilter(1 << 16)
		f.begin(0)
		c.folders = append(c.folders, f)
	}
	return c
}

// read is an event that is read at a time on the partition that its producer's key gives.
func (c *crowd) read(e *event.Event, key string, at int64) {
	f := c.folders[event.JoinNumber(key, len(c.folders))]
	f.now = at
	r := reading{event: *e, broker: at}
	r.address(f.joins)
	f.correlate(&r, true)
}

// step hands over what was put aside, closes what is due and takes what is joined.
func (c *crowd) step(t *testing.T, at int64) {
	for _, f := range c.folders {
		f.open.sealParts()
		for _, m := range f.open.side {
			to := c.folders[m.Partition]
			to.now, m.Timestamp, m.Offset = at, time.UnixMicro(at), to.next
			to.takeParts(m)
		}
		f.begin(0)
	}
	memory := int64(0)
	for _, f := range c.folders {
		f.joins.table.Advance(at, 1<<62)
		memory += f.joins.table.Memory()
		for {
			c.buffer = f.joins.table.Take(c.buffer[:0], at)
			if len(c.buffer) == 0 {
				break
			}
			c.take(t, c.buffer)
		}
	}
	c.memory = max(c.memory, memory)
}

func (c *crowd) take(t *testing.T, records []byte) {
	var r join.Record
	var e event.Event
	for len(records) > 0 {
		rest, err := r.Read(records)
		if err != nil {
			t.Fatal(err)
		}
		var has uint8
		for _, part := range r.Parts {
			if _, err := e.ReadCompact(part); err != nil {
				t.Fatal(err)
			}
			if e.ID != e.Kind.String()+e.Text(event.RequestID) {
				t.Fatalf("part %s in a record of %s", e.ID, e.Text(event.RequestID))
			}
			has |= 1 << e.Kind
		}
		key := event.JoinKey(e.Text(event.RequestID))
		if c.written[key]|has == c.written[key] {
			c.again++
		}
		c.written[key] |= has
		records = rest
	}
}

// A million requests at 20,000 a second; 80 % of them have feedback, which comes after 0 to 90 s keyed by user, and half of them a
// business event. With memory for all of it every request is as brute force says; with a small one the union of what is written
// is, and the memory stays within its budget.
func TestAMillionRequests(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	const requests, perSecond, second = 1_000_000, 20_000, 1_000_000
	for _, budget := range []int64{640 << 20, 64 << 20} {
		t.Run(fmt.Sprint(budget>>20, " MiB"), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(5, 6))
			c := newCrowd(4, budget)
			want := make(map[[2]uint64]uint8, requests)
			type later struct {
				kind    event.Kind
				request int
			}
			due := make([][]later, 100*50+requests/perSecond*100) // by hundredths of a second
			var e event.Event
			put := func(k event.Kind, n int, key string, at int64) {
				id := fmt.Sprint("request-", n)
				e.Reset()
				e.Kind, e.ID, e.Source, e.Time, e.HasTime = k, k.String()+id, "s", at, true
				e.SetText(event.RequestID, id)
				if key == "" {
					key = id
				}
				c.read(&e, key, at)
				want[event.JoinKey(id)] |= 1 << k
			}
			n := 0
			for tick := range due {
				at := int64(tick) * second / 100
				for range perSecond / 100 {
					if n == requests {
						break
					}
					put(event.LLMRequest, n, "", at)
					if rnd.IntN(5) > 0 {
						i := min(tick+rnd.IntN(9000), len(due)-1)
						due[i] = append(due[i], later{event.UserFeedback, n})
					}
					if rnd.IntN(2) == 0 {
						i := min(tick+rnd.IntN(3000), len(due)-1)
						due[i] = append(due[i], later{event.BusinessEvent, n})
					}
					n++
				}
				for _, l := range due[tick] {
					key := ""
					if l.kind == event.UserFeedback {
						key = fmt.Sprint("user-", l.request%999)
					}
					put(l.kind, l.request, key, at)
				}
				due[tick] = nil
				c.step(t, at)
			}
			c.step(t, int64(len(due))*second/100+1000*second)
			if n != requests || len(want) != requests {
				t.Fatalf("%d requests", n)
			}
			wrong := 0
			for key, has := range want {
				if c.written[key] != has {
					wrong++
				}
			}
			var s join.Stats
			for _, f := range c.folders {
				s.Add(&f.joins.table.Stats)
			}
			t.Logf("%d MiB at most; %+v; %d records with nothing new", c.memory>>20, s, c.again)
			if wrong > 0 || len(c.written) != requests || c.memory > budget || c.again > 0 || s.Overflow > 0 {
				t.Errorf("%d requests joined wrongly, %d found, %d bytes of %d, %d records with nothing new", wrong, len(c.written), c.memory, budget, c.again)
			}
			if (s.Evicted == 0) != (budget > 512<<20) {
				t.Errorf("%d evicted", s.Evicted)
			}
		})
	}
}
