package e2e

import "testing"

// filled is true when the operations board shows the live stream: every key figure and every chart has something to show.
const filled = `document.getElementById("live").dataset.state === "live"
	&& document.querySelectorAll("#cards .card").length >= 7
	&& [...document.querySelectorAll("#cards .card .n")].every((n) => /\d/.test(n.textContent))
	&& document.querySelectorAll("#charts canvas").length >= 6
	&& document.querySelectorAll("#models tbody tr").length >= 4`

// TestRealBrowser sees that the operations board fills itself.
func TestRealBrowser(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the operations board in a browser")
	h := start(t, "127.0.0.1:0", "--demo", "--rate", "100")
	lookAt(t, "the operations board in a browser", "operations", func(*testing.T) string { return h.url("operations") }, func(p *page) {
		p.shown("filled", filled)
		p.shown("classes", `document.querySelectorAll('[aria-label^="Errors by class"] .legend .item').length >= 2`) // without windows that keep them apart
	})
}
