package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// strangers are resources that came from another origin.
const strangers = `performance.getEntriesByType("resource").map((r) => r.name).filter((n) => !n.startsWith(location.origin + "/"))`

// view is a window in which a page is looked at.
type view struct {
	scheme        string
	width, height int64
}

// views are a desk by day, a desk by night, and a phone.
var views = []view{{"light", 1400, 1000}, {"dark", 1400, 1000}, {"light", 400, 860}}

func (v view) String() string { return fmt.Sprintf("%s-%d", v.scheme, v.width) }

// page is a page in a tab of a real browser.
type page struct {
	t        *testing.T
	tab      context.Context
	name     string
	view     view
	pictures string
	refused  []string // paths of which a refusal is no fault of the page: it says what it was answered
	calm     bool     // the system asks for less motion
}

// lookAt opens a page in every view, one after another, and hands it to a person's work. What every page promises is looked at
// behind it: nothing came from elsewhere, and the console is empty. begin starts what serves the page, or says where it is.
func lookAt(t *testing.T, what, name string, begin func(t *testing.T) string, work func(p *page)) {
	lookIn(t, views, what, name, begin, work)
}

// lookIn does so in windows of one's own.
func lookIn(t *testing.T, views []view, what, name string, begin func(t *testing.T) string, work func(p *page)) {
	browser := need(t, "HXP_REAL_CHROMIUM", what)
	pictures := t.TempDir()
	if kept := os.Getenv("HXP_PICTURES"); kept != "" {
		pictures = kept
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) {
			address := begin(t)
			tab, stop := chromedp.NewContext(ctx)
			defer stop()
			tab, stop = context.WithTimeout(tab, 2*time.Minute)
			defer stop()
			console := chromedp.Console(tab)
			p := &page{t: t, tab: tab, name: name, view: v, pictures: pictures}
			p.open(address)
			work(p)
			if from, err := chromedp.Run(tab, chromedp.Evaluate[[]string](strangers)); err != nil || len(from) > 0 {
				t.Errorf("loaded from outside: %v %v", from, err)
			}
			stop()
			for m, err := range console {
				if err != nil {
					break // the end of the tab
				}
				if (m.IsException() || m.Type == "error" || m.Type == "warning") && !p.told(m) {
					t.Errorf("console: %s %s", m, m.URL)
				}
			}
		})
	}
}

// told says whether a message of the console is about a refusal that the page tells in words.
func (p *page) told(m chromedp.ConsoleMessage) bool {
	at, err := url.Parse(m.URL)
	return err == nil && !m.IsException() && strings.HasPrefix(m.Text, "Failed to load resource") && slices.ContainsFunc(p.refused, func(path string) bool { return strings.HasPrefix(at.Path, path) })
}

func (p *page) open(address string) {
	p.t.Helper()
	media := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: p.view.scheme}}
	if p.calm {
		media = append(media, &emulation.MediaFeature{Name: "prefers-reduced-motion", Value: "reduce"})
	}
	err := chromedp.Do(p.tab, chromedp.EmulateViewport(p.view.width, p.view.height),
		chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: media})
			return err
		}),
		chromedp.Navigate(address))
	if err != nil {
		p.t.Fatal(err)
	}
}

// shown waits until the page meets a condition, keeps a picture of it, and sees that it is no wider than its window.
func (p *page) shown(step, condition string) {
	p.t.Helper()
	if _, err := chromedp.Run(p.tab, chromedp.Poll[bool](condition, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
		p.picture("failed")
		p.t.Fatalf("%s: %v", step, err)
	}
	p.picture(step)
	if wider, err := chromedp.Run(p.tab, chromedp.Evaluate[int](`document.scrollingElement.scrollWidth - innerWidth`)); err != nil || wider > 0 {
		p.t.Errorf("%s is %d px wider than the window (%v)", step, wider, err)
	}
}

// below goes to the end of the page, where what waits to be looked at begins to work.
func (p *page) below() {
	p.t.Helper()
	p.do(`(function down() { scrollTo(0, document.scrollingElement.scrollHeight); if (++window.downs < 20) setTimeout(down, 100) }).call(window.downs = 0), true`)
}

// do runs a script, which is true when it did something.
func (p *page) do(script string) {
	p.t.Helper()
	if done, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](script)); err != nil || !done {
		p.t.Fatalf("%s: %v, %v", script, done, err)
	}
}

// press clicks the first button of a part of the page that has a text, once it can be pressed.
func (p *page) press(within, text string) {
	p.t.Helper()
	script := fmt.Sprintf(`(() => { const b = [...document.querySelectorAll(%q)].flatMap((n) => [...n.querySelectorAll("button")]).find((b) => b.textContent.trim().startsWith(%q) && !b.disabled); b?.click(); return b !== undefined })()`, within, text)
	if _, err := chromedp.Run(p.tab, chromedp.Poll[bool](script, chromedp.WithPollingInterval(100*time.Millisecond))); err != nil {
		p.picture("failed")
		p.t.Fatalf("no button %q in %s: %v", text, within, err)
	}
}

// picture keeps what the page looks like, for a person.
func (p *page) picture(step string) {
	p.t.Helper()
	png, err := chromedp.Run(p.tab, chromedp.CaptureScreenshot())
	if err == nil && !strings.HasPrefix(string(png), "\x89PNG") {
		err = fmt.Errorf("%d bytes that are no picture", len(png))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(p.pictures, fmt.Sprintf("%s-%s-%s.png", p.name, step, p.view)), png, 0o600)
	}
	if err != nil {
		p.t.Error(err)
	}
}
