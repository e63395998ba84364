package e2e

import (
	"fmt"
	"testing"

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
