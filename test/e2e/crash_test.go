package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is writers that send batches until they are stopped. A batch without an answer is sent again, the same, until it is
// acknowledged: ids make that safe.
type load struct {
	stop chan struct{}
	wait sync.WaitGroup
	lost atomic.Int64 // batches given up

	mu    sync.Mutex
	acked []request
}

// push starts writers; their requests lie in the hour from start on.
func push(h *instance, writers int, tag string, start time.Time) *load {
	l := &load{stop: make(chan struct{})}
	for w := range writers {
		l.wait.Go(func() { l.write(h, w, fmt.Sprintf("%s-%d", tag, w), start) })
	}
	return l
}

func (l *load) write(h *instance, w int, tag string, start time.Time) {
	r := rand.New(rand.NewPCG(uint64(w), 2))
	for n := 0; ; n++ {
		select {
		case <-l.stop:
			return
		default:
		}
		batch := generate(r.Uint64(), []int{1, 7, 50, 200}[r.IntN(4)], fmt.Sprintf("%s-%d", tag, n), start)
		for i := range batch { // few models, so that groups are merged over restarts
			batch[i].model = fmt.Sprintf("%s-m%d", tag, i%3)
		}
		if !l.deliver(h, batch) {
			l.lost.Add(1)
			return
		}
		l.mu.Lock()
		l.acked = append(l.acked, batch...)
		l.mu.Unlock()
	}
}

// deliver tries for 20 s after the stop at most.
func (l *load) deliver(h *instance, batch []request) bool {
	stop, over := l.stop, (<-chan time.Time)(nil)
	for body := ndjson(batch); ; {
		res, _, err := call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/x-ndjson"}, body)
		if err == nil && res.StatusCode == http.StatusAccepted {
			return true
		}
		select {
		case <-stop:
			stop, over = nil, time.After(20*time.Second)
		case <-over:
			return false
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// count is how many events are acknowledged so far.
func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// end stops the writers and returns what was acknowledged.
func (l *load) end(t testing.TB) []request {
	t.Helper()
	close(l.stop)
	l.wait.Wait()
	if n := l.lost.Load(); n > 0 {
		t.Errorf("%d batches were not acknowledged within 20 s", n)
	}
	return l.acked
}

// crash kills the instance at random moments under load, in the middle of an aggregation at times; everything acknowledged
// is counted once, by both paths.
func crash(t *testing.T, h *instance, kills int, tag string, start time.Time) {
	r := rand.New(rand.NewPCG(uint64(kills), 3))
	l := push(h, 3, tag, start)
	stopped := false
	defer func() {
		if !stopped {
			close(l.stop)
		}
	}()
	for k := range kills {
		seen, moment := l.count(), time.After(time.Duration(200+r.IntN(1300))*time.Millisecond)
		eventually(t, 30*time.Second, "events are acknowledged after a restart", func() bool { return l.count() > seen })
		<-moment
		if k%3 == 1 {
			body := fmt.Sprintf(`{"dag_id":"hxp_hourly_aggregation","data_interval_start":%q,"data_interval_end":%q}`, stamp(start), stamp(start.Add(time.Hour)))
			_, _, _ = call("POST", h.url("batch-processing-api")+"/runs", map[string]string{"Content-Type": "application/json"}, []byte(body)) // refused or not, the kill follows
		}
		h.kill()
		h.up(t)
	}
	stopped = true
	rs := l.end(t)
	t.Logf("%d events acknowledged over %d kills", len(rs), kills)
	h.counted(t, start, rs)
}

// terminate asks for the end under load: exit 0 in time, and nothing acknowledged is missing or doubled afterwards.
func terminate(t *testing.T, w *walk) {
	start := w.hour()
	l := push(w.instance, 3, w.name("term"), start)
	eventually(t, 30*time.Second, "load", func() bool { return l.count() > 2000 })
	code := w.stop(t)
	if code != 0 {
		t.Errorf("exit %d after SIGTERM under load", code)
	}
	w.up(t)
	rs := l.end(t)
	w.counted(t, start, rs)
	if code := w.stop(t); code != 0 {
		t.Errorf("exit %d after SIGTERM at rest", code)
	}
}
