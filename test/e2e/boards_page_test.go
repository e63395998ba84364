package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// everywhere are the windows in which a board is looked at: a phone, a desk, a wall, by day and by night.
var everywhere = []view{{"light", 360, 780}, {"dark", 360, 780}, {"light", 1280, 900}, {"dark", 1280, 900}, {"light", 3840, 2100}, {"dark", 3840, 2100}}

// filledBusiness is true when the figures and charts of the business board that stand first show something, and the groups and the funnel have rows.
const filledBusiness = `document.getElementById("live").dataset.state === "live" && [...document.querySelectorAll("#now .n")].every((n) => /\d/.test(n.textContent))
	&& [0, 1, 2, 5].every((i) => /\d/.test(document.querySelectorAll("#figures .n")[i].textContent)) && document.querySelectorAll("#cost-days canvas, #tokens canvas").length === 2
	&& document.querySelectorAll("#groups tbody tr").length >= 4 && document.querySelectorAll("#funnel li").length === 5 && document.querySelectorAll("#satisfaction tbody tr").length >= 3`

// filledSystem is true when the system board shows every part.
const filledSystem = `document.querySelector("#bar .pill").textContent === "All services are well" && document.getElementById("live").dataset.state === "live"
	&& document.querySelectorAll("#charts canvas").length === 4 && document.querySelectorAll("#map .place").length === 10 && document.querySelectorAll("#services .service").length === 5
	&& document.querySelectorAll("#partitions tbody tr").length === 12 && document.querySelector("#partitions .calm").textContent.startsWith("Shared out among the instances") && document.querySelectorAll("#rule-costs tbody tr").length >= 5`

// filledPerformance is true when every chart of the performance board shows something and the tables have rows.
const filledPerformance = `[...document.querySelectorAll("#cards .n")].every((n) => /\d/.test(n.textContent))
	&& document.querySelectorAll("#charts canvas").length >= 8 && document.querySelectorAll("#charts .is-empty").length === 0
	&& document.querySelectorAll("#versus tbody tr").length >= 4 && document.querySelector("#slow tbody .link") !== null`

// cut lists texts that their box or the window cuts off, but for those that end in dots on purpose.
const cut = `[...document.querySelectorAll("h1, h2, h3, .card-value, .button, .pill, .figure, .badge, .slo-left, .unit, .legend, th, td")].filter((n) => {
	const r = n.getBoundingClientRect(), style = getComputedStyle(n);
	if (!r.width || !n.textContent.trim() || n.closest(".table-scroll, .visually-hidden, [hidden]")) return false;
	return r.right > innerWidth + 1 || r.left < -1 || (style.overflow !== "visible" && style.textOverflow !== "ellipsis" && n.scrollWidth > n.clientWidth + 1) || (style.overflowY === "hidden" && n.matches(".legend") && n.scrollHeight > n.clientHeight + 1);
}).map((n) => n.tagName + " " + n.textContent.trim().slice(0, 40))`

// told is true when every model of a chart by models has the colour that it has in the table, and the four busiest have four.
const told = `["Requests", "Errors"].every((title) => {
	const of = (n) => n.style.getPropertyValue("--c"), table = new Map([...document.querySelectorAll("#models tbody .link")].map((n) => [n.textContent, of(n.querySelector(".dot"))]));
	const items = [...document.querySelectorAll(` + "`section[aria-label=\"${title}\"] .legend .item`" + `)].map((n) => [n.querySelector(".name").textContent, of(n.querySelector(".swatch"))]).filter(([name]) => table.has(name));
	return items.every(([name, color]) => table.get(name) === color) && new Set(items.slice(0, 4).map(([, color]) => color)).size === 4;
})`

// exact sends requests of one minute that is over, of a model of its own, and returns an address that shows that minute alone.
func (h *instance) exact(t *testing.T, n int) (query string) {
	t.Helper()
	start := time.Now().UTC().Truncate(time.Minute).Add(-10 * time.Minute)
	rs := make([]request, n)
	for i := range rs {
		rs[i] = request{id: fmt.Sprint("exact-", i), model: "exact", at: start.Add(time.Duration(i) * time.Minute / time.Duration(n)), millis: int64(100 + i), prompt: 10, completion: 5, ok: i%10 > 0}
	}
	h.send(t, rs)
	eventually(t, time.Minute, "the exact minute", func() bool {
		var a struct{ Overall struct{ Requests int } }
		h.get(t, "event-processing-api", "/analytics?window=60&model=exact&at="+stamp(start.Add(time.Minute)), &a)
		return a.Overall.Requests == n
	})
	return fmt.Sprintf("/?from=%s&to=%s&model=exact&zone=utc", start.Format(time.RFC3339), start.Add(time.Minute).Format(time.RFC3339))
}

// tidy sees that nothing is cut off, that nothing moved while the board filled itself, and, where axe-core is there, that it finds nothing serious.
func (p *page) tidy() {
	p.t.Helper()
	if found, err := chromedp.Run(p.tab, chromedp.Evaluate[[]string](cut)); err != nil || len(found) > 0 {
		p.t.Errorf("cut off: %v %v", found, err)
	}
	p.shown("ready", `document.querySelector(".unready") === null`)
	p.do(`window.moved = 0, new PerformanceObserver((l) => { for (const e of l.getEntries()) window.moved += e.value; window.looked = true }).observe({ type: "layout-shift", buffered: true }), setTimeout(() => { window.looked = true }, 300), true`)
	p.shown("still", `window.looked === true`)
	p.do(`[...document.querySelectorAll("#live-text")].every((n) => n.scrollWidth <= n.clientWidth) && [...document.querySelectorAll("#bar select")].every((n) => n.clientWidth >= 60)`)
	p.do(`((n) => { if (n) n.textContent = "Reconnecting · last news 25 s ago"; return document.scrollingElement.scrollWidth <= innerWidth })(document.getElementById("live-text"))`)
	if size, err := chromedp.Run(p.tab, chromedp.Evaluate[float64](`parseFloat(getComputedStyle(document.body).fontSize)`)); err != nil || size < 13.9*max(1, float64(p.view.width)/2560) {
		p.t.Errorf("type of %v px (%v)", size, err)
	}
	// A board that has waited for its answers for long shows what there is, and says so; what comes then does move what is shown.
	late, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](`document.querySelector("[data-late]") !== null`))
	if err != nil {
		p.t.Error(err)
	}
	if moved, err := chromedp.Run(p.tab, chromedp.Evaluate[float64](`window.moved`)); err != nil || moved > 0.05 && !late {
		p.t.Errorf("the layout shifts by %v (%v)", moved, err)
	} else if late {
		p.t.Logf("the board was shown before all answers had come, and moved by %v", moved)
	}
	path := os.Getenv("HXP_REAL_AXE")
	if path == "" {
		return
	}
	axe, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.do(string(axe) + `; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] }).then((r) => { window.found = r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => v.id + ": " + v.nodes[0].html.slice(0, 120)) }); true`)
	p.shown("axe", `window.found !== undefined`)
	if found, err := chromedp.Run(p.tab, chromedp.Evaluate[[]string](`window.found`)); err != nil || len(found) > 0 {
		p.t.Errorf("axe-core: %v %v", found, err)
	}
}

// key presses a key on the page.
func (p *page) key(name string) {
	p.t.Helper()
	p.do(fmt.Sprintf(`document.activeElement.blur(), document.body.dispatchEvent(new KeyboardEvent("keydown", { key: %q, bubbles: true })), true`, name))
}

// TestRealBoards looks at the boards in every window: they fill themselves, a permanent link shows what the API says, the keys work.
func TestRealBoards(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the boards in a browser")
	h := prepare(t, "127.0.0.1:0", "--demo", "--rate", "100")
	h.env = append(h.env, "EVENT_PROCESSING_DIMENSIONS=error_type,status_class,model+host,model+error_type", "DASHBOARD_TRACE_URL=https://traces.example/{request_id}")
	h.up(t)
	link := h.exact(t, 120)
	h.deploy(t)
	lookIn(t, everywhere, "the operations board in a browser", "operations", func(*testing.T) string { return h.url("operations") }, func(p *page) {
		p.shown("filled", filled+` && document.querySelectorAll("#slos .slo").length >= 4 && document.querySelector("#incidents .wait") === null`)
		p.shown("more", `document.querySelector("#strip .strip-dot.deploy")?.title.includes("smaller batches") && document.querySelectorAll('[aria-label="Errors by class"] .legend .item').length >= 2
			&& /KV/.test(document.querySelector("#hosts td.cell")?.textContent)`)
		p.tidy()
		p.press("#hosts td.cell", "")
		p.shown("cell", `document.querySelector("dialog[open] h2").textContent.includes(" on gpu-") && document.querySelector("dialog[open] h3")?.textContent.startsWith("Failures on gpu-")`)
		p.press("dialog", "✕")
		p.press(".panel:has(> .panel-head #models-title)", "⋯")
		p.press(".popover", "View as table")
		p.shown("rows", `document.querySelectorAll("dialog[open] tbody tr").length >= 4 && document.querySelectorAll("dialog[open] thead th").length === 11`)
		p.press("dialog", "✕")
		p.switched("Requests", "Errors")
		p.menus()
		p.withoutModel("mixtral-8x7b", "#models tbody", `["Requests", "Errors"].every((title) => document.querySelector(`+"`section[aria-label=\"${title}\"] .legend .item[aria-pressed=false] .name`"+`)?.textContent === "mixtral-8x7b")
			&& ![...document.querySelectorAll("#hosts tbody .link")].some((n) => n.textContent === "mixtral-8x7b")`)
		p.press("#hosts thead", "gpu-01")
		p.shown("one host", `location.search.includes("host=gpu-01") && document.querySelectorAll("#hosts thead th").length === 2 && document.querySelectorAll("#models tbody .link").length >= 1`)
		p.blames("error_type", fmt.Sprintf("%s/?from=%s&to=%s", h.url("operations"), stamp(time.Now().Add(-5*time.Minute).Truncate(time.Second)), stamp(time.Now().Truncate(time.Second))))
		p.open(h.url("operations") + link)
		p.shown("exact", `document.querySelector("#models tbody tr td")?.textContent === "120" && document.querySelector("#cards .n").textContent === "2.00"
			&& document.querySelectorAll("#cards .n")[1].textContent === "10.0" && document.getElementById("live").dataset.state === "paused" && location.search.includes("model=exact")`)
		p.key("?")
		p.shown("help", `document.querySelector("dialog[open] kbd") !== null`)
		p.press("dialog", "✕")
		p.key("[")
		p.shown("earlier", `!location.search.includes("%3A00Z&to") && document.querySelector(".zoomed").hidden === false`)
		p.key(" ")
		p.shown("live", `location.search.includes("range=") && !location.search.includes("from=") && document.getElementById("live").dataset.state === "live"`)
		p.do(`document.querySelector("#charts .plot").focus(), document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true })), true`)
		p.shown("table", `document.querySelectorAll("dialog[open] tbody tr").length > 0`)
	})
	lookIn(t, []view{{"light", 1280, 900}, {"dark", 1280, 900}}, "models of the past in a browser", "past", func(*testing.T) string {
		return fmt.Sprintf("%s/?from=%s&to=%s", h.url("operations"), stamp(time.Now().Add(-5*time.Minute).Truncate(time.Second)), stamp(time.Now().Truncate(time.Second)))
	}, func(p *page) {
		p.shown("models", `["Requests", "Errors"].every((title) => document.querySelectorAll(`+"`section[aria-label=\"${title}\"] .legend .item`"+`).length >= 4) && document.querySelectorAll("#models tbody .dot").length >= 4`)
		p.do(told)
	})
	lookIn(t, []view{{"light", 1280, 900}}, "a moving chart in a browser", "moving", func(*testing.T) string { return h.url("operations") + "/?range=300" }, (*page).smooth)
	lookIn(t, []view{{"dark", 1280, 900}}, "a calm chart in a browser", "calm", func(*testing.T) string { return h.url("operations") + "/?range=300" }, (*page).rests)
	lookIn(t, everywhere, "the performance board in a browser", "performance", func(*testing.T) string { return h.url("performance") }, func(p *page) {
		p.shown("filled", filledPerformance)
		p.shown("machines", `["Tokens by machine", "Batch size", "Preemptions", "Prefix cache"].every((title) => document.querySelectorAll(`+"`section[aria-label=\"${title}\"] .legend .item`"+`).length === 4)
			&& document.querySelectorAll("#phases tbody tr").length === 5 && document.querySelectorAll("#phases th").length === 8 + 5`)
		p.tidy()
		p.switched("Batch size", "Preemptions")
		p.shown("pair", `document.querySelectorAll("#pair tbody tr").length === 5 && document.querySelectorAll("#pair circle").length === 99`)
		p.open(h.url("performance") + "/?range=300")
		p.shown("lately", filledPerformance)
		p.drag(".heat .u-over", 0.2, 0.2, 0.9, 0.7)
		p.shown("band", `document.querySelector(".heat .band-note").hidden === false && !location.search.includes("from=") && location.search.includes("band=latency_ms") && document.getElementById("slow-note").textContent.startsWith("of the chosen part")`)
		p.press(".heat", "What do they have")
		p.shown("common", `document.querySelectorAll("dialog[open] tbody tr").length >= 4`)
		p.press("dialog", "✕")
		p.press(".heat", "First token")
		p.shown("measure", `document.querySelector('.heat [aria-pressed="true"]').textContent === "First token" && document.querySelectorAll("#charts .is-empty").length === 0`)
		p.menus()
		p.open(h.url("performance") + "/?range=300")
		p.withoutModel("mixtral-8x7b", "#versus tbody", `![...document.querySelectorAll("#slow td .link")].some((n) => n.textContent === "mixtral-8x7b") && document.querySelector("#knees-all:not([hidden])") !== null`)
		p.press("#slow td", "")
		p.shown("one model", `/[?&]model=/.test(location.search) && document.querySelectorAll("#versus tbody tr").length === 1`)
		p.open(h.url("performance") + link)
		p.shown("exact", `document.querySelector("#versus tbody td")?.textContent === "120" && document.querySelectorAll("#versus tbody tr").length === 1 && document.querySelector("#slow a")?.href === "https://traces.example/exact-119"`)
	})
	lookIn(t, []view{{"light", 1280, 900}}, "a board that is not told of the installation at once", "late", func(*testing.T) string { return h.url("performance") }, func(p *page) {
		p.stumbles("/config.json", 2)
		p.open(h.url("performance") + "/?range=300")
		p.shown("told", `window.stumbled === 2 && document.querySelector("#slow a")?.href.startsWith("https://traces.example/")`)
	})
	lookIn(t, []view{{"light", 1280, 900}}, "a board whose sums hold what is left out", "held", func(*testing.T) string { return h.url("operations") + "/?range=300&without=user_id:nobody" }, func(p *page) {
		p.refused = []string{"/range", "/analytics"} // users are not kept apart here
		p.shown("held", `document.querySelector(".zoomed.held:not([hidden])")?.textContent.startsWith("Some sums hold still what is left out: ") && document.querySelectorAll("#models tbody tr").length >= 4 && document.querySelectorAll("#charts canvas").length > 0`)
		p.press("#bar .chip.out", "✕")
		p.shown("told no more", `document.querySelector(".zoomed.held:not([hidden])") === null && document.querySelectorAll("#models tbody tr").length >= 4`)
	})
	lookIn(t, everywhere, "the business board in a browser", "business", func(*testing.T) string { return h.url("business") + "/?range=900" }, func(p *page) {
		p.shown("filled", filledBusiness)
		p.tidy()
		p.below()
		p.shown("below", `document.querySelector("#simulator .words") !== null && document.querySelector("#funnels .uses") !== null`)
		p.menus()
		p.withoutModel("mixtral-8x7b", "#groups tbody", `/^Total[^,]/.test(document.querySelector("#groups tfoot").textContent) && [...document.querySelectorAll("#now .of-all, #now .of-live")].length === 5 && document.querySelector("#now :is(.of-all, .of-live)[hidden]") === null && ![...document.querySelectorAll("#satisfaction .link")].some((n) => n.textContent === "mixtral-8x7b")`)
		p.press("#satisfaction tbody", "")
		p.shown("rated", `/model=/.test(location.search) && document.querySelectorAll("#satisfaction tbody tr").length === 1`)
		p.press("#bar .chips", "✕")
		p.shown("all again", `!/model=/.test(location.search) && document.querySelectorAll("#groups tbody tr").length >= 4`)
		p.press("#groups tbody", "")
		p.shown("alone", `/model=/.test(location.search) && document.querySelectorAll("#groups tbody tr").length === 1`)
		p.open(h.url("business") + link)
		p.shown("exact", `document.querySelectorAll("#figures .n")[1].textContent === "120" && document.querySelectorAll("#figures .n")[5].textContent === "120"
			&& document.querySelector("#groups tbody tr td:nth-of-type(5)")?.textContent === "120" && document.getElementById("live").dataset.state === "paused" && location.search.includes("model=exact")`)
		p.key("?")
		p.shown("help", `document.querySelector("dialog[open] kbd") !== null`)
		p.press("dialog", "✕")
		p.key(" ")
		p.shown("live", `location.search.includes("range=") && !location.search.includes("from=") && document.getElementById("live").dataset.state === "live"`)
	})
	lookIn(t, everywhere, "the system board in a browser", "system", func(*testing.T) string { return h.url("system") }, func(p *page) {
		p.shown("filled", filledSystem)
		p.tidy()
		p.menus()
		p.chosen("#services-title", "View as table")
		p.shown("checks", `[...document.querySelectorAll("dialog[open] tbody tr")].some((r) => r.cells[0].textContent === "kafka-api" && r.cells[1].textContent === "healthy" && r.cells[5].textContent !== "–")`)
		p.press("dialog", "✕")
		p.key("[")
		p.shown("earlier", `location.search.includes("from=") && document.getElementById("live").dataset.state === "paused" && !document.getElementById("now-only").hidden`)
		p.key(" ")
		p.shown("live", `location.search.includes("range=") && document.getElementById("live").dataset.state === "live" && document.getElementById("now-only").hidden`)
	})
}

// blames asks what changed in a span and shows what a value of a dimension has alone, now and for who opens the address.
func (p *page) blames(dimension, address string) {
	p.t.Helper()
	if p.view.width > 2560 {
		return
	}
	p.open(address)
	p.press(".zoomed", "What changed?")
	p.press("dialog", "Errors")
	p.press("dialog tbody", dimension)
	alone := fmt.Sprintf(`new URLSearchParams(location.search).has(%q) && document.querySelector("#bar .chip .chip-name")?.textContent === %[1]q && document.querySelector("dialog") === null && document.querySelectorAll("#models tbody .link").length > 0`, dimension)
	p.shown("to blame", alone)
	chosen, err := chromedp.Run(p.tab, chromedp.Evaluate[string](`location.href`))
	if err != nil {
		p.t.Fatal(err)
	}
	p.open(chosen)
	p.shown("to blame from the start", alone)
}

// menus sees that every panel has a menu that shows it as a table and a file, and tells its address, the call that it stands on and what it means.
func (p *page) menus() {
	p.t.Helper()
	const lacking = `[...document.querySelectorAll("#board .panel")].filter((n) => !n.closest("[hidden]")).map((n) => {
		const more = n.querySelector(".more[aria-haspopup]"), name = n.querySelector("h2").textContent;
		more?.click();
		const items = [...document.querySelectorAll(".popover [role=menuitem]")].map((i) => i.textContent), lacks = ["View as table", "Download CSV", "Copy link", "Copy API call", "Explain"].filter((i) => !items.includes(i));
		more?.click();
		return lacks.length ? name + " lacks " + lacks.join(", ") : ""
	}).filter(Boolean)`
	if found, err := chromedp.Run(p.tab, chromedp.Evaluate[[]string](lacking)); err != nil || len(found) > 0 {
		p.t.Errorf("menus: %v %v", found, err)
	}
}

// chosen takes an item of the menu of the panel with a title.
func (p *page) chosen(title, item string) {
	p.t.Helper()
	p.press(".panel-head:has(> "+title+")", "⋯")
	p.press(".popover", item)
}

// withoutModel leaves a model out of a board where a part of it names it, sees that this holds wherever models are told apart, also for who opens the
// address, and that no sum is said to hold it; then it takes the model in again.
func (p *page) withoutModel(model, within, elsewhere string) {
	p.t.Helper()
	if p.view.width > 2560 {
		return // a wall shows what a desk does, in pictures that take their time
	}
	named := fmt.Sprintf(`[...document.querySelectorAll("%s .link")].find((n) => n.textContent === %q)`, within, model)
	p.shown("with", named+` !== undefined`)
	p.do(named + `.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, altKey: true })), true`)
	gone := fmt.Sprintf(`new URLSearchParams(location.search).get("without") === "model:%s" && document.querySelectorAll("%s .link").length > 0 && %s === undefined
		&& document.querySelector("#bar .chip.out .chip-value").textContent === %q && document.querySelector(".zoomed.held:not([hidden])") === null && %s`, model, within, named, model, elsewhere)
	p.shown("without", gone)
	address, err := chromedp.Run(p.tab, chromedp.Evaluate[string](`location.href`))
	if err != nil {
		p.t.Fatal(err)
	}
	p.open(address)
	p.shown("without it from the start", gone)
	p.press("#bar .chip.out", "✕")
	p.shown("with it again", named+` !== undefined && !location.search.includes("without")`)
}

// stumbles makes the first questions for a path fail on every page that is opened from now on.
func (p *page) stumbles(path string, times int) {
	p.t.Helper()
	script := fmt.Sprintf(`{ const real = fetch; window.stumbled = 0; window.fetch = (what, ...more) => (what === %q && window.stumbled < %d ? (window.stumbled++, Promise.reject(new TypeError("Failed to fetch"))) : real(what, ...more)); }`, path, times)
	if _, err := chromedp.Call(p.tab, cdpage.AddScriptToEvaluateOnNewDocument, cdpage.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		p.t.Fatal(err)
	}
}

// switched shows one line of a chart alone, and sees that another chart of the same things does so too, and shows all again with it.
func (p *page) switched(chart, other string) {
	p.t.Helper()
	items := func(chart string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("section[aria-label='%s'] .legend .item")]`, chart)
	}
	on := items(other) + `.filter((n) => n.getAttribute("aria-pressed") === "true").length`
	p.do(fmt.Sprintf(`document.querySelector("section[aria-label='%s']").scrollIntoView({ block: "center" }), true`, other)) // one out of sight is drawn later
	p.do(items(chart) + `[0].click(), true`)
	p.shown("alone", items(other)+`.length > 1 && `+on+` === 1`)
	p.do(items(chart) + `[0].click(), true`)
	p.shown("together", on+` > 1`)
}

// watch notes when the picture of the first chart changes; between is true when that was between two ticks of a second.
const (
	watch   = `(() => { const c = document.querySelector("#charts canvas"), at = window.changes = []; let was = ""; setInterval(() => { const is = c.toDataURL(); if (is !== was) at.push(performance.now()); was = is }, 60); return true })()`
	between = `window.changes.some((t, i, all) => i > 1 && t - all[i - 2] < 900)`
)

// smooth sees that a live chart of five minutes moves between two ticks.
func (p *page) smooth() {
	p.t.Helper()
	p.shown("filled", filled)
	p.do(watch)
	p.shown("moves", between)
}

// rests sees that it does not where the system asks for less motion, and that nothing else is drawn between news.
func (p *page) rests() {
	p.t.Helper()
	p.calm = true
	address, err := chromedp.Run(p.tab, chromedp.Evaluate[string](`location.href`))
	if err != nil {
		p.t.Fatal(err)
	}
	p.open(address)
	p.shown("filled", filled)
	p.do(`window.moves = 0, addEventListener("transitionrun", () => window.moves++, true), true`)
	p.do(watch)
	p.shown("ticks", `window.changes.length > 3 && document.getElementById("live-text").textContent === "Live"`) // objectives are asked for each five seconds
	p.do("!" + between)
	p.do(`window.moves === 0`)
}

// deploy tells of a deployment, and sends requests that name the host that served them.
func (h *instance) deploy(t *testing.T) {
	t.Helper()
	lines := []string{`{"event_type":"business_event","data":{"business_event_type":"deployment","model":"mixtral-8x7b","version":"2.4.1","text":"smaller batches"}}`}
	for range 20 {
		lines = append(lines, `{"event_type":"llm_request","data":{"model":"mixtral-8x7b","host":"gpu-01","duration_ms":900,"success":true}}`)
	}
	if status, a := h.post(t, []byte(strings.Join(lines, "\n")), nil); status != http.StatusAccepted {
		t.Fatalf("%d %+v", status, a)
	}
	eventually(t, time.Minute, "the deployment", func() bool {
		var a struct {
			Deployments []struct{ Kind, Model, Version, Text string }
		}
		h.get(t, "event-processing-api", "/deployments?model=mixtral-8x7b", &a)
		return len(a.Deployments) == 1 && a.Deployments[0].Version == "2.4.1" && a.Deployments[0].Text == "smaller batches"
	})
	var slow correlations
	h.get(t, "event-processing-api", "/correlations?model=exact&order=slowest&at_least=215&below=219&limit=2", &slow)
	if c := slow.Correlations; len(c) != 2 || c[0].RequestID != "exact-118" || c[1].RequestID != "exact-117" || slow.NextCursor != nil {
		t.Errorf("the slowest of 215 to 219 ms are %+v", slow)
	}
}

// drag draws the mouse over a part of an element, from one corner to the other, in shares of its size.
func (p *page) drag(selector string, x0, y0, x1, y1 float64) {
	p.t.Helper()
	box, err := chromedp.Run(p.tab, chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => { const n = document.querySelector(%q); n.scrollIntoView({ block: "center" }); const r = n.getBoundingClientRect(); return [r.left, r.top, r.width, r.height] })()`, selector)))
	if err != nil || len(box) != 4 {
		p.t.Fatal(selector, err, box)
	}
	for _, m := range []input.DispatchMouseEventParams{
		{Type: input.DispatchMouseEventTypeMouseMoved}, {Type: input.DispatchMouseEventTypeMousePressed, Button: input.MouseButtonLeft, Buttons: 1}, {Type: input.DispatchMouseEventTypeMouseMoved, X: 0.5, Button: input.MouseButtonLeft, Buttons: 1}, {Type: input.DispatchMouseEventTypeMouseMoved, X: 1, Button: input.MouseButtonLeft, Buttons: 1}, {Type: input.DispatchMouseEventTypeMouseReleased, X: 1, Button: input.MouseButtonLeft},
	} {
		m.X, m.Y = box[0]+box[2]*(x0+(x1-x0)*m.X), box[1]+box[3]*(y0+(y1-y0)*m.X)
		if _, err := chromedp.Call(p.tab, input.DispatchMouseEvent, m); err != nil {
			p.t.Fatal(err)
		}
	}
}
