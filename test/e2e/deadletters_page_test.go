package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestRealDeadLettersPage works on the board of the dead letters as a person does: reads a letter, tries a patch, sends it again, then
// chooses a reason and sends all of it again. Nothing comes from elsewhere, the console stays empty, and a phone is wide enough.
func TestRealDeadLettersPage(t *testing.T) {
	browser := need(t, "HXP_REAL_CHROMIUM", "the page of the dead letters in a browser")
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
			h := start(t, "127.0.0.1:0")
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
				chromedp.Navigate(h.url("system")+"/"))
			if err != nil {
				t.Fatal(err)
			}
			shown := func(name, condition string) {
				t.Helper()
				if _, err := chromedp.Run(tab, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
					picture(t, tab, filepath.Join(pictures, "failed.png"))
					t.Fatalf("%s: %v", name, err)
				}
				picture(t, tab, filepath.Join(pictures, fmt.Sprintf("letters-%s-%s-%d.png", name, view.scheme, view.width)))
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
			patch := func(text string) {
				do(fmt.Sprintf(`{ const p = document.querySelector("dialog textarea"); p.value = %q; p.dispatchEvent(new Event("input")); true }`, text))
			}
			shown("nothing", `document.getElementById("open").textContent === "nothing open"`)
			var lines []string
			for i := range 60 {
				wrong := `"duration_ms":"fast"`
				if i%3 == 0 {
					wrong = `"prompt_tokens":-5`
				}
				lines = append(lines, fmt.Sprintf(`{"event_id":"page-%d","event_type":"llm_request","timestamp":"2026-03-01T10:00:00Z","source":"gateway","data":{"model":"m","request_id":"r-%d",%s}}`, i, i, wrong))
			}
			if status, a := h.post(t, []byte(strings.Join(lines, "\n")), nil); a.Rejected != len(lines) {
				t.Fatalf("%d %+v", status, a)
			}
			shown("list", `document.getElementById("open").textContent === "60 open" && document.querySelectorAll("#letters tbody tr").length === 50 && document.querySelectorAll(".reason").length === 2`)
			do(`document.querySelector("#letters tbody tr .open-letter").focus() !== undefined || true`)
			do(`[...document.querySelectorAll("#letters tbody tr")].find((r) => r.textContent.includes("wrong_type")).querySelector(".open-letter").click() !== undefined || true`)
			shown("letter", `document.querySelector("dialog[open].drawer .payload .at")?.textContent.includes("duration_ms")`)
			do(press("dialog", "Preview"))
			shown("still bad", `document.querySelector("dialog .outcome")?.dataset.state === "bad"`)
			patch(`{"data":{"duration_ms":90}}`)
			do(press("dialog", "Preview"))
			shown("preview", `document.querySelector("dialog .outcome")?.dataset.state === "good" && document.querySelector("dialog .outcome pre").textContent.includes('"duration_ms": 90')`)
			do(press("dialog", "Send again"))
			shown("sent", `document.querySelector("dialog") === null && document.getElementById("open").textContent === "59 open"`)
			do(`document.querySelector('.reason[data-code="negative"]').click() !== undefined || true`)
			shown("one reason", `document.querySelectorAll("#letters tbody tr").length === 20 && document.querySelector('.reason[data-code="negative"]').ariaPressed === "true"`)
			do(press("#tools", "Send all 20"))
			patch(`{"data":{"prompt_tokens":5}}`)
			do(press("dialog", "Send again"))
			shown("all sent", `document.querySelector("dialog") === null && document.getElementById("open").textContent === "39 open" && document.querySelector("#letters .nothing") !== null`)
			h.caughtUp(t, time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), 21)
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
