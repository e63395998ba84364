package e2e

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/css"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/memory"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// burden is what a page holds once everything that nobody needs is gone.
type burden struct {
	heap             float64 // bytes of objects
	nodes, listeners int64
}

// weigh takes the least of some looks, since an answer that is just read is held, too.
func weigh(t *testing.T, tab context.Context) burden {
	t.Helper()
	b := look(t, tab)
	for range 4 {
		rest(t, time.Second)
		if next := look(t, tab); next.heap < b.heap {
			b = next
		}
	}
	return b
}

// unwatched lets a browser keep nothing for who inspects a page: each answer it had, and its styles and nodes.
func unwatched(t *testing.T, tab context.Context) {
	t.Helper()
	_, answers := chromedp.Call(tab, network.Disable, cdp.Empty{})
	_, styles := chromedp.Call(tab, css.Disable, cdp.Empty{})
	_, nodes := chromedp.Call(tab, dom.Disable, cdp.Empty{})
	if err := errors.Join(answers, styles, nodes); err != nil {
		t.Fatal(err)
	}
}

func look(t *testing.T, tab context.Context) burden {
	t.Helper()
	var b burden
	if _, err := chromedp.Run(tab, chromedp.Evaluate[bool](`performance.clearResourceTimings(), true`)); err != nil { // of 250 answers at most
		t.Fatal(err)
	}
	for range 2 { // what the first collection finalizes, the second one frees
		if _, err := chromedp.Call(tab, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
			t.Fatal(err)
		}
	}
	heap, err := chromedp.Call(tab, runtime.GetHeapUsage, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	dom, err := chromedp.Call(tab, memory.GetDOMCounters, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	b.heap, b.nodes, b.listeners = heap.UsedSize+heap.EmbedderHeapUsedSize+heap.BackingStorageSize, dom.Nodes, dom.JsEventListeners
	return b
}

// TestRealMemory leaves live boards alone for HXP_REAL_MINUTES (1 unless it is set), and sees that they hold no more at the end than at the
// beginning: what grows in a minute brings a wall down in a week. They show five minutes, and
// are weighed when they have run half as long, at most those five: until then what they show grows.
func TestRealMemory(t *testing.T) {
	browser := need(t, "HXP_REAL_CHROMIUM", "the memory of live boards")
	minutes := 1
	if text := os.Getenv("HXP_REAL_MINUTES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("HXP_REAL_MINUTES: %q is not a number of minutes", text)
		}
		minutes = n
	}
	h := start(t, "127.0.0.1:0", "--demo", "--rate", "100")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop) // behind the boards, which are side by side
	for _, name := range []string{"operations", "performance"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			p := &page{t: t, tab: tab, name: "memory-" + name, view: view{"dark", 1280, 900}, pictures: t.TempDir()}
			p.open(h.url(name) + "/?range=300")
			p.shown("filled", map[string]string{"operations": filled, "performance": filledPerformance}[name])
			unwatched(t, tab)
			rest(t, min(time.Duration(minutes)*time.Minute/2, 5*time.Minute))
			begin := weigh(t, tab)
			rest(t, time.Duration(minutes)*time.Minute)
			end := weigh(t, tab)
			t.Logf("over %d min: heap %.2f MB → %.2f MB, nodes %d → %d, listeners %d → %d", minutes, begin.heap/1e6, end.heap/1e6, begin.nodes, end.nodes, begin.listeners, end.listeners)
			if end.heap > begin.heap*1.1+1e6 {
				t.Errorf("the heap grows from %.2f MB to %.2f MB", begin.heap/1e6, end.heap/1e6)
			}
			if end.nodes > begin.nodes+begin.nodes/10+200 || end.listeners > begin.listeners+begin.listeners/10+50 {
				t.Errorf("it holds %d nodes and %d listeners, and had %d and %d", end.nodes, end.listeners, begin.nodes, begin.listeners)
			}
		})
	}
}

// rest waits: here time is what is tried.
func rest(t *testing.T, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}
