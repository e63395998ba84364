package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// countDraws counts how often each canvas is drawn from then on: a chart begins by clearing its own.
const countDraws = `(() => {
	const { clearRect } = CanvasRenderingContext2D.prototype, draws = window.draws = new Map();
	CanvasRenderingContext2D.prototype.clearRect = function (...at) { draws.set(this.canvas, (draws.get(this.canvas) ?? 0) + 1); return clearRect.apply(this, at) };
	return true
})()`

// canvases tells of each chart how often it was drawn, how wide its picture is, and whether it is in sight.
const canvases = `[...document.querySelectorAll(".plot canvas")].map((c) => { const r = c.getBoundingClientRect(); return {
	title: c.closest("section").getAttribute("aria-label"), draws: window.draws.get(c) ?? 0, width: c.parentNode.querySelector(".u-over").clientWidth, seen: r.bottom > 0 && r.top < innerHeight } })`

type canvas struct {
	Title        string
	Draws, Width int
	Seen         bool
}

// used is what a page and the processes of its browser have done since they began.
type used struct {
	at        time.Time
	page      map[string]float64 // seconds of the main thread, and how often it did what
	processes map[string]float64 // seconds of processes, by what they are
}

func (p *page) used() used {
	p.t.Helper()
	u := used{at: time.Now(), page: map[string]float64{}, processes: map[string]float64{}}
	page, err := chromedp.Call(p.tab, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, m := range page.Metrics {
		u.page[m.Name] = m.Value
	}
	browser, err := chromedp.CallBrowser(p.tab, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, process := range browser.ProcessInfo {
		u.processes[process.Type] += process.CPUTime
	}
	return u
}

// leave leaves a page alone for a while, logs what that takes of a core, and returns what was drawn and how many layouts there were.
func (p *page) leave(state string, while time.Duration) ([]canvas, int) {
	p.t.Helper()
	p.do(countDraws)
	begin := p.used()
	rest(p.t, while)
	end := p.used()
	seconds, draws := end.at.Sub(begin.at).Seconds(), 0
	rate := func(name string) float64 { return (end.page[name] - begin.page[name]) / seconds }
	core := func(kind string) float64 { return (end.processes[kind] - begin.processes[kind]) / seconds }
	drawn, err := chromedp.Run(p.tab, chromedp.Evaluate[[]canvas](canvases)) // asked last: to look where they are lays the page out
	if err != nil {
		p.t.Fatal(err)
	}
	for _, c := range drawn {
		draws += c.Draws
	}
	p.t.Logf("%s: of a core the page takes %.1f %%: its main thread %.1f, of that scripts %.1f, styles %.1f, layouts %.1f; beside it the browser takes %.1f %%, its GPU process %.1f %%; in a second %.1f charts are drawn, %.1f styles and %.1f layouts made",
		state, 100*core("renderer"), 100*rate("TaskDuration"), 100*rate("ScriptDuration"), 100*rate("RecalcStyleDuration"), 100*rate("LayoutDuration"), 100*core("browser"), 100*core("GPU"),
		float64(draws)/seconds, rate("RecalcStyleCount"), rate("LayoutCount"))
	return drawn, int(end.page["LayoutCount"] - begin.page["LayoutCount"])
}

// moves leaves a live board alone: a chart is drawn when its picture moves by a pixel, or what it was asked for has come anew, and out of sight never.
func (p *page) moves(state string, while time.Duration) (draws int) {
	p.t.Helper()
	drawn, _ := p.leave(state, while)
	for _, c := range drawn {
		draws += c.Draws
		seconds := int(while/time.Second) + 1
		if most := seconds*c.Width/900 + seconds/5 + 2; c.Draws > most {
			p.t.Errorf("%s: %q, %d px wide, is drawn %d times in %v, and moves %d times at most", state, c.Title, c.Width, c.Draws, while, most)
		}
		if !c.Seen && c.Draws > 0 {
			p.t.Errorf("%s: %q is drawn %d times where nobody sees it", state, c.Title, c.Draws)
		}
	}
	return draws
}

// stands leaves a board alone that shows nothing new, once what it had asked for is there. It is laid out so many times at most.
func (p *page) stands(state string, while time.Duration, most int) {
	p.t.Helper()
	for tries, was := 0, -1.0; ; tries++ {
		is := p.used().page["LayoutCount"]
		if is == was {
			break
		}
		if tries == 20 {
			p.t.Fatal(state, ": the page does not come to rest")
		}
		was = is
		rest(p.t, 3*time.Second)
	}
	p.do(`window.said = document.getElementById("main").innerText, true`)
	drawn, layouts := p.leave(state, while)
	for _, c := range drawn {
		if c.Draws > 0 {
			p.t.Errorf("%s: %q is drawn %d times", state, c.Title, c.Draws)
		}
	}
	if layouts > most {
		p.t.Errorf("%s: the page is laid out %d times, %d at most", state, layouts, most)
	}
	if state == "held" {
		p.do(`window.said === document.getElementById("main").innerText`)
	}
}

// hide brings another tab before a page.
func (p *page) hide() {
	p.t.Helper()
	other, err := chromedp.CallBrowser(p.tab, target.CreateTarget, target.CreateTargetParams{URL: "about:blank"})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.CallBrowser(p.tab, target.ActivateTarget, target.ActivateTargetParams(other)); err != nil {
		p.t.Fatal(err)
	}
	if _, err := chromedp.Run(p.tab, chromedp.Poll[bool](`document.hidden`, chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(10*time.Second))); err != nil {
		p.t.Fatal("the page is not hidden: ", err)
	}
}

// TestRealLoad tells what a board takes of the machine that shows it: with events or without, held, and behind another tab. Time is logged, because
// it is the machine's; what is drawn is not. Each board takes more than a minute: without HXP_REAL_MINUTES only the operations board is tried.
func TestRealLoad(t *testing.T) {
	browser := need(t, "HXP_REAL_CHROMIUM", "what live boards take")
	const while = 10 * time.Second
	calm, busy := start(t, "127.0.0.1:0"), start(t, "127.0.0.1:0", "--demo", "--rate", "100", "--past", "16m")
	rs := make([]request, 2000)
	for i := range rs {
		rs[i] = request{id: fmt.Sprint("calm-", i), model: fmt.Sprint("m", i%4), at: time.Now().Add(-time.Duration(i) * time.Second), millis: int64(100 + i%50), prompt: 100, completion: 50, ok: i%20 > 0}
	}
	calm.send(t, rs)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	boards := []string{"operations", "performance", "business", "system"}
	if os.Getenv("HXP_REAL_MINUTES") == "" {
		boards = boards[:1]
	}
	for _, name := range boards {
		t.Run(name, func(t *testing.T) {
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			p := &page{t: t, tab: tab, name: "load-" + name, view: view{"dark", 1280, 900}, pictures: t.TempDir()}
			if _, err := chromedp.Call(tab, performance.Enable, performance.EnableParams{}); err != nil {
				t.Fatal(err)
			}
			for _, at := range []struct {
				state string
				*instance
			}{{"no events", calm}, {"live", busy}} {
				p.open(at.url(name) + "/")
				p.shown("filled", `document.querySelector(".unready") === null && document.querySelector(".plot canvas") !== null && document.getElementById("live").dataset.state === "live"`)
				rest(t, 10*time.Second)
				if draws := p.moves(at.state, while); draws == 0 && name != "business" { // which shows days
					t.Errorf("%s: nothing moves", at.state)
				}
			}
			p.key(" ")
			p.shown("held", `document.getElementById("live").dataset.state === "paused"`)
			most := 0
			if name == "system" { // goes on looking for dead letters
				most = int(while / (5 * time.Second))
			}
			p.stands("held", while, most)
			p.key(" ")
			p.shown("live", `document.getElementById("live").dataset.state === "live"`)
			p.hide()
			rest(t, 11*time.Second) // its stream is let go after ten
			p.stands("hidden", while, 0)
		})
	}
	if len(boards) > 1 {
		t.Run("wall", func(t *testing.T) { wall(t, ctx, busy, while) })
	}
}

// wall leaves three boards alone whose windows stand side by side: twenty charts and more, live, five minutes wide, all in sight. What the browser's pages
// take of a core is that of all three.
func wall(t *testing.T, browser context.Context, h *instance, while time.Duration) {
	const inSight = `[...document.querySelectorAll(".plot canvas")].filter((c) => c.getBoundingClientRect().bottom < innerHeight && !c.closest(".is-empty")).length`
	var pages []*page
	charts := 0
	for _, name := range []string{"operations", "system", "performance"} {
		tab, stop := chromedp.NewContext(browser, chromedp.WithNewWindow(true))
		defer stop()
		p := &page{t: t, tab: tab, name: "wall-" + name, view: view{"dark", 1280, 4000}, pictures: t.TempDir()}
		if _, err := chromedp.Call(tab, performance.Enable, performance.EnableParams{}); err != nil {
			t.Fatal(err)
		}
		p.open(h.url(name) + "/?range=300")
		p.shown("filled", `document.querySelector(".unready") === null && document.getElementById("live").dataset.state === "live" && `+inSight+` >= 3`)
		rest(t, 10*time.Second)
		n, err := chromedp.Run(tab, chromedp.Evaluate[int](inSight))
		if err != nil {
			t.Fatal(err)
		}
		pages, charts = append(pages, p), charts+n
	}
	for _, p := range pages[1:] {
		p.do(countDraws)
	}
	if charts < 20 {
		t.Errorf("%d charts are in sight", charts)
	}
	pages[0].leave(fmt.Sprintf("%d live charts in three windows", charts), while)
	for _, p := range pages {
		drawn, err := chromedp.Run(p.tab, chromedp.Evaluate[[]canvas](canvases))
		if err != nil {
			t.Fatal(err)
		}
		draws := 0
		for _, c := range drawn {
			draws += c.Draws
		}
		if t.Logf("%s: %d draws", p.name, draws); draws < int(while/time.Second) { // a window that nobody sees draws nothing
			t.Errorf("%s: %d draws in %v", p.name, draws, while)
		}
	}
}
