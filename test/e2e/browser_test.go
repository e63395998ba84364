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

// filled is true when the operations board shows the live stream: every key figure and every chart has something to show.
const filled = `document.getElementById("live").dataset.state === "live"
	&& document.querySelectorAll("#cards .card").length >= 7
	&& [...document.querySelectorAll("#cards .card .n")].every((n) => /\d/.test(n.textContent))
	&& document.querySelectorAll("#charts canvas").length >= 6
	&& document.querySelectorAll("#models tbody tr").length >= 4`

// strangers are resources that came from another origin.
const strangers = `performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin + "/"))`

func TestRealBrowser(t *testing.T) {
	browser := need(t, "HXP_REAL_CHROMIUM", "the operations board in a browser")
	h := start(t, "127.0.0.1:0", "--demo", "--rate", "100")
	pictures := t.TempDir()
	if kept := os.Getenv("HXP_PICTURES"); kept != "" {
		pictures = kept
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	for _, view := range []struct {
		scheme        string
		width, height int64
	}{{"light", 1440, 1120}, {"dark", 1440, 1120}, {"light", 390, 844}} {
		t.Run(fmt.Sprintf("%s %d", view.scheme, view.width), func(t *testing.T) {
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			tab, stop = context.WithTimeout(tab, time.Minute)
			defer stop()
			scheme := &emulation.MediaFeature{Name: "prefers-color-scheme", Value: view.scheme}
			console := chromedp.Console(tab)
			err := chromedp.Do(tab,
				chromedp.EmulateViewport(view.width, view.height),
				chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{scheme}})
					return err
				}),
				chromedp.Navigate(h.url("operations")))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Run(tab, chromedp.Poll[bool](filled, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
				picture(t, tab, filepath.Join(pictures, "failed.png"))
				t.Fatalf("the board did not fill itself: %v", err)
			}
			picture(t, tab, filepath.Join(pictures, fmt.Sprintf("operations-%s-%d.png", view.scheme, view.width)))
			if from, err := chromedp.Run(tab, chromedp.Evaluate[[]string](strangers)); err != nil || len(from) > 0 {
				t.Errorf("loaded from outside: %v %v", from, err)
			}
			if wider, err := chromedp.Run(tab, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)); err != nil || wider > 0 {
				t.Errorf("the page is %d px wider than the window (%v)", wider, err)
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

// picture keeps what the page looks like, for a person.
func picture(t *testing.T, tab context.Context, path string) {
	t.Helper()
	png, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err == nil && !strings.HasPrefix(string(png), "\x89PNG") {
		err = fmt.Errorf("%d bytes that are no picture", len(png))
	}
	if err == nil {
		err = os.WriteFile(path, png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}
