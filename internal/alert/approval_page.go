package alert

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// pagePolicy lets the page of a link have its one style sheet and send its form here, and nothing else.
var pagePolicy = "default-src 'none'; style-src " + httpx.StyleHash(pageStyle) + "; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// pageStyle is all the style that the page has.
const pageStyle = `body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem}dt{font-weight:600}dd{margin:0 0 .5rem}input,button{font:inherit;padding:.4rem .8rem;margin:.5rem .5rem 0 0}`

// showPage answers with what a response is about, and the form to decide on it while it is proposed.
func showPage(w http.ResponseWriter, status int, note string, x *Response) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Referrer-Policy", "same-origin") // the signature goes to nobody else
	w.WriteHeader(status)
	var b strings.Builder
	b.WriteString(`<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>hxp: decide</title><style>` + pageStyle + `</style><h1>`)
	if x == nil {
		b.WriteString("hxp")
	} else {
		fmt.Fprintf(&b, "%s on %s", html.EscapeString(x.Action), html.EscapeString(x.Target))
	}
	b.WriteString("</h1>")
	if note != "" {
		fmt.Fprintf(&b, "<p role=status><strong>%s</strong></p>", html.EscapeString(note))
	}
	if x != nil {
		facts(&b, x)
		if x.State == string(respond.Proposed) {
			b.WriteString(`<form method="post"><label>Your name, for the audit log <input name="by" maxlength="80" autocomplete="name"></label><br>` +
				`<button name="decision" value="approve">Approve</button><button name="decision" value="dismiss">Dismiss</button></form>`)
		}
	}
	_, _ = w.Write([]byte(b.String())) // the reader is gone: nobody to tell
}

// facts are what a person must know to decide.
func facts(b *strings.Builder, x *Response) {
	b.WriteString("<dl>")
	fact := func(name, text string) {
		if text != "" {
			fmt.Fprintf(b, "<dt>%s<dd>%s", name, html.EscapeString(text))
		}
	}
	fact("What is done", pairs(x.With))
	fact("Because of rule", x.Rule)
	fact("About", pairs(x.Key))
	if x.Value != nil && x.Threshold != nil {
		fact("Value and threshold", x.Value.String()+" and "+x.Threshold.String())
	}
	fact("Severity", x.Severity)
	fact("Requests", strings.Join(x.RequestIDs, ", "))
	fact("Why", x.Reason)
	fact("State", x.State)
	if x.ExpiresAt != nil {
		fact("Until", x.ExpiresAt.Format(time.RFC3339))
	}
	fact("Response", x.ID)
	b.WriteString("</dl>")
}

func pairs(m map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, name+" = "+m[name])
	}
	return strings.Join(out, ", ")
}
