package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealIncidents decides about a proposal on the page: a dry run says what would be done and does nothing, somebody takes the incident, and an
// approval changes the target.
func TestRealIncidents(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "incidents in a browser")
	g := newGateway(t)
	h := start(t, "127.0.0.1:0", "--config", g.config(t))
	h.rule(t, "propose")
	h.failUntil(t, g, "a proposal", func() bool { r := h.responses(t); return len(r) == 1 && r[0].State == "proposed" })
	lookIn(t, []view{{"dark", 360, 780}, {"light", 1280, 900}}, "incidents in a browser", "incidents", func(*testing.T) string { return h.url("operations") }, func(p *page) {
		p.shown("proposed", `document.querySelector("#incidents .response") !== null && document.querySelector("#incidents .incident-owner") !== null`)
		p.tidy()
		p.press("#incidents", "Dry run")
		p.shown("dry-run", `document.querySelector("dialog[open] .verdict")?.dataset.state === "good" && document.querySelector("dialog[open] pre").textContent.includes("false")`)
		p.press("dialog", "✕")
		name := fmt.Sprint("Ada ", p.view.width)
		p.press("#incidents .incident-owner", "Take")
		p.shown("take", `document.querySelector("dialog[open] input[name=by]") !== null`)
		p.do(fmt.Sprintf(`document.querySelector("dialog[open] input[name=by]").value = %q, document.querySelector("dialog[open] form").requestSubmit(), true`, name))
		p.shown("taken", fmt.Sprintf(`document.querySelector("#incidents .incident-owner strong")?.textContent === %q`, name))
	})
	if applies, _ := g.counts(); applies != 0 {
		t.Fatalf("a dry run changed the target %d times", applies)
	}
	lookIn(t, []view{{"light", 1280, 900}}, "an approval in a browser", "approval", func(*testing.T) string { return h.url("operations") }, func(p *page) {
		p.press("#incidents", "Approve")
		p.shown("asked", `document.querySelector("dialog[open] textarea") !== null`)
		if _, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](`document.querySelector("dialog[open] form").requestSubmit(), true`)); err != nil {
			t.Fatal(err)
		}
		p.shown("applied", `[...document.querySelectorAll("#incidents .response-act button")].some((b) => b.textContent === "Revert")`)
	})
	if applies, _ := g.counts(); applies != 1 {
		t.Errorf("an approval changed the target %d times", applies)
	}
}

// TestRealManyIncidents sees that of many incidents the board shows the gravest, says how many more there are, and shows those on request.
func TestRealManyIncidents(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "many incidents in a browser")
	h := start(t, "127.0.0.1:0")
	const rule = `{"name":"failing","type":"threshold","when":"event_type == \"llm_request\" && data.success == false","metric":"requests","op":">=","value":3,"window":"5s","keep_firing_for":"10m","group_by":["model"]}`
	if res, data, err := call("PUT", h.url("event-processing-api")+"/rules/failing", map[string]string{"Content-Type": "application/json"}, []byte(rule)); err != nil || res.StatusCode >= 300 {
		t.Fatalf("%v %v %s", err, res, data)
	}
	sent := 0
	eventually(t, readyWithin, "15 alerts", func() bool {
		var a struct{ Alerts []struct{ Rule string } }
		h.get(t, "event-processing-api", "/alerts?state=firing&limit=100", &a)
		if len(a.Alerts) >= 15 {
			return true
		}
		var lines []string
		for i := range 15 * 5 {
			sent++
			lines = append(lines, fmt.Sprintf(`{"event_id":"many-%d","event_type":"llm_request","timestamp":%q,"data":{"model":"m%02d","success":false,"duration_ms":5}}`, sent, time.Now().UTC().Format(time.RFC3339Nano), i%15))
		}
		if status, a := h.post(t, []byte(strings.Join(lines, "\n")), nil); status != http.StatusAccepted {
			t.Fatalf("%d %+v", status, a)
		}
		return false
	})
	lookIn(t, []view{{"light", 360, 780}, {"dark", 1280, 900}}, "many incidents in a browser", "many", func(*testing.T) string { return h.url("operations") }, func(p *page) {
		p.shown("gravest", `document.querySelectorAll("#incidents .incident").length === 12 && [...document.querySelectorAll("#incidents button")].at(-1).textContent === `+"`Show ${parseInt(document.getElementById(\"incidents-note\").textContent) - 12} more`"+` && parseInt(document.getElementById("incidents-note").textContent) >= 15`)
		p.do(`[...document.querySelectorAll("#incidents button")].at(-1).scrollIntoView({ block: "center" }), true`)
		p.tidy()
		p.press("#incidents .more-incidents", "Show")
		p.shown("all", `document.querySelectorAll("#incidents .incident").length === parseInt(document.getElementById("incidents-note").textContent) && document.querySelector("#incidents .more-incidents") === null`)
	})
}
