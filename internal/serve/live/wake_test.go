package live

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// notes is a way to a client that keeps what was sent.
type notes struct{ texts []string }

func (n *notes) send(frames ...[]byte) error {
	for _, f := range frames {
		for line := range bytes.Lines(f) {
			if _, data, ok := bytes.Cut(line, []byte(`"data":{"n":`)); ok {
				text, _, _ := bytes.Cut(data, []byte("}"))
				n.texts = append(n.texts, string(text))
			}
		}
	}
	return nil
}
func (*notes) beat() error { return nil }
func (*notes) bye(error)   {}

// TestOnlyWhoIsConcernedIsWoken: what a filter keeps back wakes nobody, and whoever sleeps over it is not behind.
func TestOnlyWhoIsConcernedIsWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{})
		topics := []*Topic{r.hub.stories["news"].topic}
		var heard notes
		of, all := r.hub.newClient(sse, ""), r.hub.newClient(sse, "")
		defer of.leave()
		defer all.leave()
		for c, f := range map[*client]Filter{of: {Model: "rare"}, all: {}} {
			if _, err := c.subscribe(wish{topics: topics, filter: f}); err != nil {
				t.Fatal(err)
			}
			<-c.wake
			if err := new(round).run(c, &heard); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 { // longer than anything is kept
			r.hub.Tell("news", happen("loud", i, 1)...)
			<-all.wake
			if err := new(round).run(all, &heard); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if len(of.wake) != 0 {
			t.Error("who asked for another model was woken")
		}
		r.hub.Tell("news", happen("rare", 1000, 1)...)
		heard.texts = nil
		<-of.wake
		if err := new(round).run(of, &heard); err != nil || !slices.Equal(heard.texts, []string{"1000"}) {
			t.Errorf("then came %q, %v", heard.texts, err)
		}
	})
}

// TestFilteredClientsMissNothing: whoever takes what is new when he is woken has all that his filter lets through, once and in order.
func TestFilteredClientsMissNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type step struct{ model, tenant, topic, reader int }
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			n := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
			return step{n("model", 2), n("tenant", 2), n("topic", 1), n("reader", 12)}
		}), 1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			r := start(t, Config{})
			both := []*Topic{r.hub.stories["news"].topic, r.hub.stories["flood"].topic}
			name := func(kind string, i int) string {
				if i == 0 {
					return ""
				}
				return fmt.Sprint(kind, i)
			}
			var clients []*client
			var heard [9]notes
			var want [9][]string
			for i := range heard {
				c := r.hub.newClient(sse, "")
				defer c.leave()
				clients = append(clients, c)
				if _, err := c.subscribe(wish{topics: both[:1+i%2], filter: Filter{name("m", i%3), name("t", i/3)}}); err != nil {
					t.Fatal(err)
				}
			}
			turn := func(i int) {
				select {
				case <-clients[i].wake:
					if err := new(round).run(clients[i], &heard[i]); err != nil {
						t.Fatal(err)
					}
				default:
				}
			}
			for n, s := range steps {
				h := happen(name("m", s.model), n, 1)
				h[0].Tenant = name("t", s.tenant)
				r.hub.Tell(both[s.topic].Name, h...)
				for i, c := range clients {
					if l := c.stories[both[s.topic]]; l != nil && l.filter.match(&h[0]) {
						want[i] = append(want[i], fmt.Sprint(n))
					}
				}
				if s.reader < len(clients) {
					turn(s.reader)
				}
			}
			for i := range clients {
				if turn(i); !slices.Equal(heard[i].texts, want[i]) {
					t.Errorf("client %d heard %v, not %v", i, heard[i].texts, want[i])
				}
			}
		})
	})
}
