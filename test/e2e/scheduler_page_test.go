package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// press clicks the first button of a part of the page that has a text.
func press(within, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].flatMap((n) => [...n.querySelectorAll("button")]).find((b) => b.textContent.trim().startsWith(%q) && !b.disabled)?.click() !== undefined || true`, within, text)
}

// TestRealSchedulerPage works on the page of the scheduler as a person does: looks at the DAGs, triggers a run and reads its log, previews a
// backfill and lets it run. Nothing comes from elsewhere, the console stays empty, and a phone is wide enough.
func TestRealSchedulerPage(t *testing.T) {
	browser := need(t, "HXP_REAL_CHROMIUM", "the page of the scheduler in a browser")
	h := start(t, "127.0.0.1:0")
	yesterday := time.Now().UTC().Truncate(24 * time.Hour).Add(-24 * time.Hour)
	h.send(t, generate(90, 300, "page", yesterday.Add(3*time.Hour)))
	pictures := t.TempDir()
	if kept := os.Getenv("HXP_PICTURES"); kept != "" {
		pictures = kept
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	for _, view := range []struct {
		scheme        string
		width, height int64
	}{{"light", 1400, 1000}, {"dark", 1400, 1000}, {"light", 400, 860}} {
		t.Run(fmt.Sprintf("%s %d", view.scheme, view.width), func(t *testing.T) {
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			tab, stop = context.WithTimeout(tab, 2*time.Minute)
			defer stop()
			console := chromedp.Console(tab)
			scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: view.scheme}
			err := chromedp.Do(tab, chromedp.EmulateViewport(view.width, view.height),
				chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{scheme}})
					return err
				}),
				chromedp.Navigate(h.url("scheduler")+"/"))
			if err != nil {
				t.Fatal(err)
			}
			shown := func(name, condition string) {
				t.Helper()
				if _, err := chromedp.Run(tab, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
					picture(t, tab, filepath.Join(pictures, "failed.png"))
					t.Fatalf("%s: %v", name, err)
				}
				picture(t, tab, filepath.Join(pictures, fmt.Sprintf("scheduler-%s-%s-%d.png", name, view.scheme, view.width)))
				if wider, err := chromedp.Run(tab, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)); err != nil || wider > 0 {
					t.Errorf("%s is %d px wider than the window (%v)", name, wider, err)
				}
			}
			do := func(script string) {
				t.Helper()
				if _, err := chromedp.Run(tab, chromedp.Evaluate[bool](script)); err != nil {
					t.Fatalf("%s: %v", script, err)
				}
			}
			shown("list", `document.querySelectorAll(".dag").length === 4 && document.querySelectorAll(".dag-next").length === 4`)
			do(press(".dag:nth-child(2)", "Trigger"))
			shown("trigger", `document.querySelector("dialog[open] textarea") !== null`)
			do(press("dialog", "Trigger"))
			shown("run", `document.querySelector("h1")?.nextElementSibling?.textContent === "success" && document.querySelectorAll(".log-line").length >= 4 && document.querySelectorAll(".graph .node").length === 2`)
			do(`(location.hash = "#/dags/hxp_hourly_aggregation") !== ""`)
			shown("dag", `document.querySelector("h1")?.textContent === "hxp_hourly_aggregation" && document.querySelectorAll(".facts dt").length > 3`)
			do(press(".bar-tools", "Backfill"))
			shown("preview", `document.querySelectorAll("dialog[open] .preview li").length === 24`)
			do(`{ const s = document.querySelector("dialog select"); s.value = "completed"; s.dispatchEvent(new Event("input")); }`)
			shown("preview again", `[...document.querySelectorAll("dialog[open] button")].some((b) => b.textContent === "Start 24 runs" && !b.disabled)`)
			do(press("dialog", "Start"))
			shown("backfill", `document.querySelector(".big-progress strong")?.textContent === "100 %" && document.querySelectorAll(".run-map .s-success").length === 24`)
			if from, err := chromedp.Run(tab, chromedp.Evaluate[[]string](strangers)); err != nil || len(from) > 0 {
				t.Errorf("loaded from outside: %v %v", from, err)
			}
			stop()
			for m, err := range console {
				if err != nil {
					break // the end of the tab
				}
				if m.IsException() || m.Type == "error" || m.Type == "warning" {
					t.Errorf("console: %s", m)
				}
			}
		})
	}
}
