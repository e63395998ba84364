package dashboard

import (
	"fmt"
	"html"
	"io/fs"
	"regexp"
	"strings"
)

// markup is HTML. A string becomes markup through text, unless it was written in this package or in package web.
type markup string

func text(s string) markup { return markup(html.EscapeString(s)) }

var hole = regexp.MustCompile(`\{\{(\w+)\}\}`)

// fill puts values into the holes of a page, {{name}}, between tags or within a quoted attribute. It is this small because package
// html/template keeps every method of the program from being left out of the binary.
func fill(page markup, values map[string]markup) (markup, error) {
	var missing error
	filled := hole.ReplaceAllStringFunc(string(page), func(s string) string {
		v, ok := values[s[2:len(s)-2]]
		if !ok {
			missing = fmt.Errorf("nothing is known for %s of the page", s)
		}
		return string(v)
	})
	return markup(filled), missing
}

// layout is a page of the web folder around the content of a board.
type layout struct{ frame, content markup }

func loadLayout(pages fs.FS, content string) (layout, error) {
	frame, err := fs.ReadFile(pages, "page.html")
	if err != nil {
		return layout{}, err
	}
	inner, err := fs.ReadFile(pages, content)
	return layout{markup(frame), markup(inner)}, err
}

// render makes the page of a board.
// modules are what its script imports, directly or not; who is logged in, "" where nobody has to.
func (l layout) render(b Board, modules []string, tabs []tab, environment, version, who string) (markup, error) {
	content, err := fill(l.content, map[string]markup{
		"title": text(b.Title), "question": text(b.Question), "operations": text(urlOf(tabs, "operations")),
	})
	if err != nil {
		return "", err
	}
	return fill(l.frame, map[string]markup{
		"board": text(b.Name), "title": text(b.Title), "script": text(b.Script), "style": styleOf(b), "preload": preloads(modules), "tabs": links(tabs),
		"environment": text(environment), "version": text(version), "content": content, "foot": footOf(b), "account": account(who),
	})
}

// preloads let a browser ask for all modules at once, rather than for each when the one that imports it has come.
func preloads(modules []string) markup {
	var b strings.Builder
	for _, m := range modules {
		fmt.Fprintf(&b, "<link rel=\"modulepreload\" href=\"/static/%s\">\n", text(m))
	}
	return markup(b.String())
}

func styleOf(b Board) markup {
	if b.Style == "" {
		return ""
	}
	return `<link rel="stylesheet" href="/static/` + text(b.Style) + `">`
}

func footOf(b Board) markup {
	if b.Foot != "" {
		return text(b.Foot)
	}
	return `Times are local<span id="zone"></span>. Percentiles are within 1 % of the exact ones.`
}

// account lets who is logged in leave.
func account(who string) markup {
	if who == "" {
		return ""
	}
	return `<form method="post" action="/logout"><button class="icon-button" type="submit" aria-label="Log out" title="Log out ` + text(who) + `">` +
		`<svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d="M8 3.5H4.5v13H8M12.5 6.5 16 10l-3.500 3.500M16 10H8"/></svg></button></form>`
}

func links(tabs []tab) markup {
	var b strings.Builder
	for _, t := range tabs {
		current := ""
		if t.Current {
			current = ` aria-current="page"`
		}
		fmt.Fprintf(&b, "<a href=\"%s\"%s>%s</a>\n      ", text(t.URL), current, text(t.Title))
	}
	return markup(b.String())
}

// urlOf is where a board is; this page where it does not run.
func urlOf(tabs []tab, name string) string {
	for _, t := range tabs {
		if t.Name == name {
			return t.URL
		}
	}
	return "/"
}
