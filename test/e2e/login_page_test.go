package e2e

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestRealLogin: a person shows the board a token, sees it fill itself, reloads it, and leaves.
func TestRealLogin(t *testing.T) {
	need(t, "HXP_REAL_CHROMIUM", "the login in a browser")
	h := prepare(t, "127.0.0.1:0", "--demo", "--rate", "100")
	h.keys = append(h.keys, "HXP_AUTH_TOKENS_FILE="+filepath.Join(h.dir, "tokens.json"))
	out, errs, code := h.cli(t, "auth", "token", "create", "--scope", "read", "--name", "person", "--json")
	var made struct{ Token string }
	if err := json.Unmarshal(out, &made); err != nil || code != 0 {
		t.Fatalf("auth token create: %v %s%s", err, out, errs)
	}
	h.up(t)
	const door = `document.querySelector("main.door input[name=token]") !== null && document.querySelector("#cards") === null
		&& (({ left, right }) => Math.abs(left + right - document.documentElement.clientWidth) < 2)(document.querySelector("main.door").getBoundingClientRect())`
	show := func(p *page, token string) {
		p.do(fmt.Sprintf(`(() => { document.querySelector("input[name=token]").value = %q; document.querySelector("main.door button").click(); return true })()`, token))
	}
	// comes waits over the change of pages, which ends what is asked of the one before.
	comes := func(p *page, step, condition string) {
		eventually(p.t, time.Minute, step, func() bool {
			ok, err := chromedp.Run(p.tab, chromedp.Evaluate[bool](condition))
			return err == nil && ok
		})
		p.shown(step, condition)
	}
	address := func(*testing.T) string { return h.url("operations") + "/?range=15m" }
	lookAt(t, "the login in a browser", "login", address, func(p *page) {
		p.refused = []string{"/", "/login"}
		p.shown("door", door)
		show(p, "hxp_no_such")
		comes(p, "refused", door+` && /not known/.test(document.querySelector("[role=alert]")?.textContent)`)
		show(p, made.Token)
		comes(p, "in", `location.search === "?range=15m" && `+filled)
		p.open(address(t))
		comes(p, "again", filled)
		p.do(`document.querySelector("form[action='/logout'] button").click(), true`)
		comes(p, "out", door)
	})
}
