package e2e

import (
	"testing"
	"time"
)

// TestRealSchedulerPage works on the page of the scheduler as a person does: looks at the DAGs, triggers a run and reads its log, previews a
// backfill and lets it run.
func TestRealSchedulerPage(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the page of the scheduler in a browser")
	h := start(t, "127.0.0.1:0")
	yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	h.send(t, generate(90, 300, "page", yesterday.Add(3*time.Hour)))
	lookAt(t, "the page of the scheduler in a browser", "scheduler", func(*testing.T) string { return h.url("scheduler") + "/" }, func(p *page) {
		p.shown("list", `document.querySelectorAll(".dag").length === 4 && document.querySelectorAll(".dag-next").length === 4`)
		p.press(".dag:nth-child(2)", "Trigger")
		p.shown("trigger", `document.querySelector("dialog[open] textarea") !== null`)
		p.press("dialog", "Trigger")
		p.shown("run", `document.querySelector("h1")?.nextElementSibling?.textContent === "success" && document.querySelectorAll(".log-line").length >= 4 && document.querySelectorAll(".graph .node").length === 2`)
		p.do(`(location.hash = "#/dags/hxp_hourly_aggregation") !== ""`)
		p.shown("dag", `document.querySelector("h1")?.textContent === "hxp_hourly_aggregation" && document.querySelectorAll(".facts dt").length > 3`)
		p.press(".bar-tools", "Backfill")
		p.shown("preview", `document.querySelectorAll("dialog[open] .preview li").length === 24`)
		p.do(`{ const s = document.querySelector("dialog select"); s.value = "completed"; s.dispatchEvent(new Event("input")); }`)
		p.shown("preview again", `[...document.querySelectorAll("dialog[open] button")].some((b) => b.textContent === "Start 24 runs" && !b.disabled)`)
		p.press("dialog", "Start")
		p.shown("backfill", `document.querySelector(".big-progress strong")?.textContent === "100 %" && document.querySelectorAll(".run-map .s-success").length === 24`)
	})
}
