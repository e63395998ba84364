package httpx

import (
	"html"
	"net/http"
	"strings"
)

// docsPolicy lets the page of the endpoints have its one style sheet and nothing else.
var docsPolicy = "default-src 'none'; style-src " + StyleHash(docsStyle) + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func serveDocs(w http.ResponseWriter, s Service, routes []Route) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", docsPolicy)
	_, _ = w.Write([]byte(docsPage(s, routes)))
}

const docsStyle = `
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{max-width:60rem;margin:2rem auto;padding:0 1rem}
h1 small{font-weight:400;opacity:.6;font-size:.5em}
section{border-top:1px solid #8884;padding:.6rem 0}
h2{font:600 1rem ui-monospace,monospace;margin:0;overflow-wrap:anywhere}
b{display:inline-block;min-width:4.5rem;color:#06c}
@media(prefers-color-scheme:dark){b{color:#6bf}}
p{margin:.2rem 0}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.4rem 0 0 4.5rem;font-size:.9rem}
dt{font-family:ui-monospace,monospace}dd{margin:0}
`

const docsHead = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>` + docsStyle + `</style>`

// docsPage is written by hand: package html/template keeps every method of the program from being left out of the binary.
func docsPage(s Service, routes []Route) string {
	p := page{}
	p.markup(docsHead)
	p.element("title", s.title())
	p.markup("</head><body>\n<h1>")
	p.text(s.title() + " ")
	p.element("small", s.version())
	p.markup("</h1>\n")
	p.element("p", s.Description)
	p.markup("\n" + `<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>`)
	for _, rt := range routes {
		if rt.Method != "" && !rt.Hidden {
			p.route(rt)
		}
	}
	p.markup("\n</body></html>\n")
	return p.String()
}

// page is HTML in the making. Only what this package itself wrote goes through markup.
type page struct{ strings.Builder }

func (p *page) markup(s string) { p.WriteString(s) }

func (p *page) text(s string) { p.WriteString(html.EscapeString(s)) }

// element writes an element around a text, nothing for an empty one.
func (p *page) element(name, text string) {
	if text == "" {
		return
	}
	p.markup("<" + name + ">")
	p.text(text)
	p.markup("</" + name + ">")
}

func (p *page) route(rt Route) {
	p.markup("\n<section><h2>")
	p.element("b", rt.Method)
	p.text(rt.Path)
	p.markup("</h2>")
	p.element("p", rt.Summary)
	p.markup("<dl>")
	for _, param := range rt.Params {
		p.term(param.Name, param.Doc+" ("+param.In+")")
	}
	if rt.Body != "" {
		p.term("body", rt.Body)
	}
	for _, status := range rt.statuses() {
		p.term(status, rt.Answers[status])
	}
	p.markup("</dl></section>")
}

// term writes a term and what it means, which may be nothing.
func (p *page) term(name, meaning string) {
	p.element("dt", name)
	p.markup("<dd>")
	p.text(meaning)
	p.markup("</dd>")
}
