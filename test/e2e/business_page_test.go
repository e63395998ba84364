package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealBusinessPage works on the business board as a person does: finds it empty, then with three days of requests of which two models
// of four are priced; chooses groups, a week and a month; makes a report, looks at it, and deletes it.
func TestRealBusinessPage(t *testing.T) {
	var h *instance
	begin := func(t *testing.T) string {
		h = start(t, "127.0.0.1:0")
		return h.url("business") + "/"
	}
	lookAt(t, "the business board in a browser", "business", begin, func(p *page) {
		p.refused = []string{"/business-intelligence/", "/reports/schedules"} // without data there is nothing to tell, and the page says so; a wrong cron is refused
		p.shown("fresh", `document.getElementById("welcome")?.textContent.includes("hxp simulate") && document.querySelector("#figures .n").textContent === "–" && document.getElementById("live").dataset.state === "live"`)
		p.below()
		p.shown("nothing", `document.querySelector("#reports .words")?.textContent.startsWith("No report yet")
			&& document.querySelector("#capacity .lack")?.textContent.startsWith("Insufficient data") && document.querySelector(".forecast-words .words")?.textContent.startsWith("Insufficient data")`)
		total, first := h.fillBusiness(p.t)
		if status, a := h.post(p.t, []byte(`{"event_type":"business_event","data":{"business_event_type":"deployment","model":"page-m0","version":"9.9"}}`), nil); status != http.StatusAccepted {
			p.t.Fatalf("%d %+v", status, a)
		}
		p.open(h.url("business") + "/?days=7")
		p.shown("filled", `document.querySelectorAll("#groups tbody tr").length === 4 && document.querySelectorAll("#groups tbody .badge").length === 2
			&& /^\$\d/.test(document.querySelector("#figures .n").textContent) && document.querySelectorAll("#figures .n")[1].textContent === "`+fmt.Sprint(total)+`"
			&& document.querySelectorAll("#funnel li").length === 5
			&& /\d/.test(document.querySelector("#now .n").textContent + document.querySelectorAll("#now .n")[3].textContent) && /range=604800/.test(location.search)`)
		p.do(`document.getElementById("cost-days").scrollIntoView(), true`)
		p.shown("costs", `document.querySelectorAll("#cost-days .legend .item").length === 2 && document.querySelectorAll("#month-chart .legend .item").length >= 1`)
		p.shown("flag", flagOfDeployment)
		p.do(`document.activeElement.blur(), true`)
		p.below()
		p.shown("below", `document.querySelectorAll(".proof .fact").length >= 2 && document.querySelector("#simulator .sim-outcome")?.textContent.includes("a month")
			&& document.querySelector("#findings .words, #findings .finding-list") !== null && document.querySelector("#findings .wait") === null`)
		p.menus()
		for _, c := range []struct{ title, row string }{{"#simulator-title", "page-m1"}, {"#capacity-title", "insufficient data"}, {"#proof-title", "MASE"}} {
			p.chosen(c.title, "View as table")
			p.shown("table", fmt.Sprintf(`document.querySelector("dialog[open] tbody")?.textContent.includes(%q)`, c.row))
			p.press("dialog", "✕")
		}
		p.do(`navigator.clipboard.writeText = (words) => { window.copied = words; return Promise.resolve(); }, true`)
		p.chosen("#simulator-title", "Copy API call")
		call, err := chromedp.Run(p.tab, chromedp.Evaluate[string](`window.copied`))
		if err != nil {
			p.t.Fatal(err)
		}
		if said, err := exec.Command("sh", "-c", call+" -sf").CombinedOutput(); err != nil || !strings.Contains(string(said), `"saving_usd_month"`) {
			p.t.Errorf("%s: %v %s", call, err, said)
		}
		p.shown("funnels", `document.querySelector("#funnels h3")?.textContent === "Value sessions, all within 24\u2009h" && [...document.querySelectorAll("#funnels .funnel-n")].map((n) => n.textContent).join() === "4,3,1"
			&& document.querySelectorAll("#funnels li")[2].textContent.endsWith("33.3\u2009% of those before, 25.0\u2009% of the first")`)
		p.do(`scrollTo(0, 0), true`)
		p.press(".groups-head", "Tenant")
		p.shown("tenants", `/by=tenant/.test(location.search) && document.querySelector("#groups tbody")?.textContent.includes("no tenant named")`)
		p.press(".groups-head", "Tree")
		p.shown("tree", `/by=tree/.test(location.search) && document.querySelectorAll("#groups .tree .leaf").length >= 4`)
		p.press("#groups .tree", "page-m0")
		p.shown("a branch alone", `/model=page-m0/.test(location.search) && [...document.querySelectorAll("#groups .tree .link")].map((n) => n.textContent).join() === "page-m0"`)
		p.press("#bar .chips", "✕")
		p.withoutModel("page-m0", "#groups .tree", `document.querySelector("#groups .method").textContent.startsWith("The branches add up")
			&& document.querySelectorAll("#figures .n")[1].textContent === "`+fmt.Sprint(total-first)+`"`)
		p.press(".groups-head", "User")
		p.press("#groups tbody", "visitor-0")
		p.shown("a user", `/user_id=visitor-0/.test(location.search) && document.querySelectorAll("#groups tbody tr").length === 1 && document.querySelectorAll("#figures .n")[1].textContent === "1"
			&& document.querySelectorAll("#cost-days canvas, #tokens canvas").length === 2 && document.querySelector(".notice[role=alert]:not([hidden])") === null`)
		p.press("#bar .chips", "✕")
		p.press(".groups-head", "Tenant")
		p.do(`{ const m = document.getElementById("month"); m.selectedIndex = 2; m.dispatchEvent(new Event("change")); true }`)
		p.shown("a month", `/from=\d{4}-\d{2}-01T/.test(location.search) && document.getElementById("when").textContent.startsWith(document.getElementById("month").value) && document.getElementById("live").dataset.state === "paused"`)
		p.do(`history.back() === undefined`)
		p.shown("back", `/range=604800/.test(location.search) && document.querySelector('#bar [title="Time range"]').textContent === "Last 7 days" && document.getElementById("month").value === ""`)
		p.below()
		p.press("#reports-plan", "Change")
		p.do(`{ const d = document.querySelector("dialog[open]"), [kind, made] = d.querySelectorAll("select"), [to, formats, at] = d.querySelectorAll("input"), set = (n, v) => { n.value = v; n.dispatchEvent(new Event("change")); };
			window.configured = to.disabled; set(kind, "cost"); set(made, "true"); to.value = "finance@example.org"; at.value = "monthly"; true }`)
		p.press("dialog", "Save")
		p.shown("refused", `window.configured && document.querySelector("dialog .form-error").textContent.includes("is no cron of five fields")`)
		p.do(`{ document.querySelectorAll("dialog input")[2].value = "0 8 1 * *"; true }`)
		p.press("dialog", "Save")
		p.shown("planned", `document.querySelector("dialog") === null && document.getElementById("reports-plan").textContent.includes("Cost, each month, to 1 by mail")`)
		p.press("#reports-plan", "Change")
		p.do(`{ const [kind, made] = document.querySelectorAll("dialog select"); kind.value = "cost"; kind.dispatchEvent(new Event("change")); window.said = [made.value, ...[...document.querySelectorAll("dialog input")].map((i) => i.value)].join(); made.value = ""; true }`)
		p.press("dialog", "Save")
		p.shown("as configured", `window.said === "true,finance@example.org,pdf,0 8 1 * *" && document.querySelector("dialog") === null && !document.getElementById("reports-plan").textContent.includes("Cost")`)
		p.press("#reports-tools", "Make a report")
		p.do(`{ const [kind, format] = document.querySelectorAll("dialog[open] select"); kind.value = "daily_summary"; format.value = "pdf"; true }`)
		p.press("dialog", "Make it")
		p.shown("made", `document.querySelector("dialog .outcome")?.dataset.state === "good" && document.querySelector("#reports tbody tr") !== null`)
		p.do(`{ fetch(document.querySelector("dialog .outcome a").href).then(async (r) => { window.document_shown = r.headers.get("Content-Disposition").startsWith("inline") && (await r.text()).startsWith("%PDF"); }); true }`)
		p.shown("opened", `window.document_shown === true`)
		p.press("dialog", "✕")
		p.chosen("#reports-title", "View as table")
		p.shown("reports", `document.querySelector("dialog[open] tbody tr").textContent.startsWith("Daily summary")`)
		p.press("dialog", "✕")
		p.press("#reports tbody tr", "✕")
		p.shown("sure", `document.querySelector("dialog[open]")?.textContent.includes("Daily summary")`)
		p.press("dialog", "Delete")
		p.shown("deleted", `document.querySelector("dialog") === null && document.querySelector("#reports .words")?.textContent.startsWith("No report yet")`)
		p.open(h.url("business") + "/?month=2026-13")
		p.shown("a fault", `document.getElementById("fault")?.textContent.includes("not a month") && document.querySelector('#bar [title="Time range"]').textContent === "Last 30 days"`)
	})
}

// flagOfDeployment goes over the chart of the cost until its tooltip tells of a deployment.
const flagOfDeployment = `(() => {
	const over = document.querySelector("#cost-days .u-over");
	if (!over) return false; // it is drawn anew
	const { left, top, width } = over.getBoundingClientRect();
	over.closest(".plot").focus();
	for (let x = 1; x < width; x += 3) {
		over.dispatchEvent(new MouseEvent("mousemove", { clientX: left + x, clientY: top + 40, bubbles: true }));
		if (document.querySelector(".tip:not([hidden]) .tip-flag.deploy")?.textContent.includes("page-m0 9.9")) return true;
	}
	return false;
})()`

// visit sends four sessions, of which three rate an answer and one of those orders something, and returns how many requests they make.
func (h *instance) visit(t *testing.T, start time.Time) (requests int) {
	t.Helper()
	var lines []string
	at := start
	say := func(kind, session, data string) {
		at = at.Add(time.Second)
		lines = append(lines, fmt.Sprintf(`{"event_type":%q,"timestamp":%q,"data":{"session_id":%q,"user_id":%q,%s}}`, kind, stamp(at), session, strings.Replace(session, "visit", "visitor", 1), data))
	}
	for i := range 4 {
		session := fmt.Sprint("visit-", i)
		say("llm_request", session, `"model":"page-m0","duration_ms":500,"prompt_tokens":10,"completion_tokens":5,"success":true`)
		if i < 3 {
			say("user_feedback", session, `"satisfaction_score":5`)
		}
		if i == 0 {
			say("business_event", session, `"business_event_type":"order"`)
		}
	}
	if status, a := h.post(t, []byte(strings.Join(lines, "\n")), nil); status != http.StatusAccepted || a.Rejected > 0 {
		t.Fatalf("%d %+v", status, a)
	}
	return 4
}

// fillBusiness sends requests for each of the 72 hours before today, more by day than by night, to four models of which two have a price. It waits
// for the hours, and returns how many requests there are, and how many of the first model.
func (h *instance) fillBusiness(t *testing.T) (total, ofFirst int) {
	t.Helper()
	const hours = 72
	first := time.Now().UTC().Truncate(24 * time.Hour).Add(-hours * time.Hour)
	prices := []map[string]any{}
	for _, model := range []string{"page-m0", "page-m1"} {
		prices = append(prices, map[string]any{"model": model, "effective_from": stamp(first), "input_cost_per_token": 0.000002, "output_cost_per_token": 0.000008})
	}
	body, _ := json.Marshal(map[string]any{"prices": prices})
	if res, data, err := call("PUT", h.url("batch-processing-api")+"/prices", map[string]string{"Content-Type": "application/json"}, body); err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("PUT /prices: %v %v %s", err, res, data)
	}
	for i := range hours {
		rs := generate(uint64(i), 4+i%24/3, "page", first.Add(time.Duration(i)*time.Hour))
		for k := range rs {
			rs[k].id = fmt.Sprintf("page-%d-%d", i, k)
			if rs[k].model == "page-m0" {
				ofFirst++
			}
		}
		h.send(t, rs)
		total += len(rs)
	}
	visits := h.visit(t, first) // of page-m0
	total, ofFirst = total+visits, ofFirst+visits
	eventually(t, 2*time.Minute, "the hours of the business board", func() bool {
		var a struct{ Rows []struct{ Requests int } }
		h.get(t, "batch-processing-api", fmt.Sprintf("/aggregations/hourly?from=%s&to=%s", stamp(first), stamp(first.Add(hours*time.Hour))), &a)
		sum := 0
		for _, r := range a.Rows {
			sum += r.Requests
		}
		return sum == total
	})
	return total, ofFirst
}
