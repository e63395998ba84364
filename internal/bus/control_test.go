package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// diary writes down what was applied since the last reset.
type diary struct {
	mu      sync.Mutex
	entries []string
	resets  int
	settled []int // entries at each time that it was told to be whole
}

func (d *diary) Settled() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settled = append(d.settled, len(d.entries))
}

func (d *diary) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = nil
	d.resets++
}

func (d *diary) Apply(key string, value []byte, offset int64) error {
	switch string(value) {
	case "poison":
		return errors.New("not a command")
	case "bomb":
		panic("a fault of the program")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf("%d %s=%s", offset, key, value))
	return nil
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.entries)
}

// control runs a control log with a diary under "note/" until the test ends.
func control(t *testing.T, b *bus.Bus, reg *telemetry.Registry) (*bus.ControlLog, *diary) {
	t.Helper()
	c, err := bus.NewControlLog(b, nil, reg)
	if err != nil {
		t.Fatal(err)
	}
	d := &diary{}
	c.Handle("note/", d)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("control log: %v", err)
		}
	})
	select {
	case <-c.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("control log not ready")
	}
	return c, d
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// put appends a command and waits until it is applied.
func put(t *testing.T, c *bus.ControlLog, key, value string) {
	t.Helper()
	offset, err := c.Append(within(t), key, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.WaitFor(within(t), offset); err != nil {
		t.Fatal(err)
	}
}

func same(t *testing.T, d *diary, want ...string) {
	t.Helper()
	if got := d.read(); !slices.Equal(got, want) {
		t.Fatalf("applied %q\nwant    %q", got, want)
	}
}

func TestControlLogIsTheSameForEveryInstance(t *testing.T) {
	b, addr := bustest.Start(t, event.ControlTopic)
	one, first := control(t, b, nil)
	two, second := control(t, bustest.Connect(t, addr), nil)
	var wg sync.WaitGroup
	for i, c := range []*bus.ControlLog{one, two} {
		wg.Go(func() {
			for j := range 20 {
				if _, err := c.Append(within(t), fmt.Sprintf("note/%d", i), fmt.Append(nil, j)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, c := range []*bus.ControlLog{one, two} {
		if err := c.CatchUp(within(t)); err != nil {
			t.Fatal(err)
		}
	}
	if got := first.read(); len(got) != 40 {
		t.Fatalf("%d commands applied, want 40", len(got))
	}
	same(t, second, first.read()...)
	_, late := control(t, bustest.Connect(t, addr), nil) // ready means: all of it
	same(t, late, first.read()...)
}

func TestControlLogPassesOverPoison(t *testing.T) {
	b := bustest.New(t, event.ControlTopic)
	reg := telemetry.NewRegistry()
	c, d := control(t, b, reg)
	for _, v := range []string{"a", "poison", "bomb", "b"} {
		put(t, c, "note/x", v)
	}
	put(t, c, "other/x", "for somebody else")
	same(t, d, "0 note/x=a", "3 note/x=b")
	for name, want := range map[string]float64{"control_log_applied_total": 2, "control_log_skipped_total": 2} {
		if got, _ := reg.Sum(name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
}

func TestControlLogOverARestartOfTheBroker(t *testing.T) {
	f := newFlaky(t)
	b := bustest.Connect(t, f.cfg.Addr)
	c, d := control(t, b, nil)
	put(t, c, "note/x", "before")
	f.stop()
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	if _, err := c.Append(short, "note/x", []byte("lost")); err == nil {
		t.Fatal("a command is acknowledged without a broker")
	}
	cancel()
	f.start()
	put(t, c, "note/x", "after")
	// The command whose time was up may or may not have been written: that is what Append says.
	got := slices.DeleteFunc(d.read(), func(s string) bool { return strings.HasSuffix(s, "=lost") })
	if len(got) != 2 || !strings.HasSuffix(got[0], "=before") || !strings.HasSuffix(got[1], "=after") {
		t.Fatalf("applied %q", d.read())
	}
	_, again := control(t, bustest.Connect(t, f.cfg.Addr), nil)
	same(t, again, d.read()...)
}

func TestControlLogMadeAnewIsReadAnew(t *testing.T) {
	b, addr := bustest.Start(t, event.ControlTopic)
	c, d := control(t, b, nil)
	for _, v := range []string{"a", "b", "c"} {
		put(t, c, "note/old", v)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).DeleteTopic(t.Context(), event.TopicControl); err != nil {
		t.Fatal(err)
	}
	ctx := within(t)
	for anew := false; !anew; { // the log makes the topic again; until then an answer may still be that of the old one
		if _, err := c.Append(ctx, "note/new", []byte("d")); err != nil && (ctx.Err() != nil || !errors.Is(err, bus.ErrUnknownTopic)) {
			t.Fatal(err)
		}
		if err := c.CatchUp(ctx); err != nil && (ctx.Err() != nil || !errors.Is(err, bus.ErrUnknownTopic)) {
			t.Fatal(err)
		}
		got := d.read()
		anew = len(got) > 0 && strings.HasPrefix(got[0], "0 note/new=")
	}
	if err := c.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	if i := slices.IndexFunc(d.read(), func(s string) bool { return strings.Contains(s, "/old") }); i >= 0 {
		t.Fatalf("commands of the topic that is gone are still applied: %q", d.read())
	}
}

func TestControlLogShortenedIsReadAnew(t *testing.T) {
	b, addr := bustest.Start(t, event.ControlTopic)
	c, _ := control(t, b, nil)
	for _, v := range []string{"a", "b", "c"} {
		put(t, c, "note/x", v)
	}
	if err := b.DeleteRecords(within(t), event.TopicControl, map[int32]int64{0: 2}); err != nil {
		t.Fatal(err)
	}
	_, late := control(t, bustest.Connect(t, addr), nil)
	same(t, late, "2 note/x=c")
}

func TestControlLogWaitsOnlyAsLongAsAsked(t *testing.T) {
	c, _ := control(t, bustest.New(t, event.ControlTopic), nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the client went away")
	cancel(reason)
	if err := c.WaitFor(ctx, 7); !errors.Is(err, reason) {
		t.Fatalf("got %v", err)
	}
}

// A state is told once for each reading of the log, when it has everything that was there.
func TestControlLogSaysWhenAStateIsWhole(t *testing.T) {
	b, _ := bustest.Start(t, event.ControlTopic)
	first, empty := control(t, b, nil)
	for i := range 5 {
		put(t, first, "note/a", fmt.Sprint(i))
	}
	_, later := control(t, b, nil)
	for _, tt := range []struct {
		d    *diary
		want int
	}{{empty, 0}, {later, 5}} {
		tt.d.mu.Lock()
		if !slices.Equal(tt.d.settled, []int{tt.want}) {
			t.Errorf("told with %v entries, want once with %d", tt.d.settled, tt.want)
		}
		tt.d.mu.Unlock()
	}
}
