package report

import (
	"fmt"
	"math"
	"strings"
	"unicode"
)

// page is a document in HTML, for a browser or for mail. Everything that comes from outside goes through escape.
//
// Mail programs know neither SVG nor style sheets: there every style stands at its element, and charts are tables of coloured cells.
type page struct {
	b     strings.Builder
	d     *document
	style *style
	mail  bool
}

// escape makes a text harmless in HTML, in an attribute too, and drops what no page may hold.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '"':
			b.WriteString("&quot;")
		case '\'':
			b.WriteString("&#39;")
		default:
			if r == '\n' || r == '\t' || !unicode.IsControl(r) && r != unicode.ReplacementChar && !unicode.Is(unicode.Bidi_Control, r) && !unicode.Is(unicode.Noncharacter_Code_Point, r) {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// put writes HTML with the texts in place of {}: they are escaped.
func (p *page) put(html string, texts ...string) {
	for _, t := range texts {
		before, after, _ := strings.Cut(html, "{}")
		p.b.WriteString(before)
		p.b.WriteString(escape(t))
		html = after
	}
	p.b.WriteString(html)
}

const fontStack = "Arial,'Liberation Sans',Helvetica,sans-serif"

// web is the whole document on one page.
func (d *document) web() []byte {
	p := &page{d: d, style: d.style}
	st := d.style
	p.put(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>{}, {}</title><style>`, d.title, st.span(d.period))
	fmt.Fprintf(&p.b, `body{margin:0;background:%s;color:%s;font:15px/1.5 %s}main{max-width:920px;margin:0 auto;background:#fff;padding:28px 36px;border-top:6px solid %s}h1{font-size:30px;line-height:1.2;margin:.4em 0 0}h2{font-size:20px;margin:2em 0 .3em}svg{width:100%%;height:auto}.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(340px,1fr));gap:18px}.wide{display:block}@media print{body{background:#fff}h2{break-after:avoid}tr,svg{break-inside:avoid}}`,
		st.shade.css(), st.ink.css(), fontStack, st.accent.css())
	p.put(`</style></head><body><main>`)
	p.head()
	if d.hero != nil {
		p.b.WriteString(`<div class="wide">` + svgOf(d.hero, 174, 55) + `</div>`)
	}
	for _, s := range d.ordered() {
		p.section(s)
	}
	p.end()
	p.put(`</main></body></html>`)
	return []byte(p.b.String())
}

// mail is what a reader sees without opening the attachment: the numbers, a chart, and the first tables.
func (d *document) mail() []byte {
	p := &page{d: d, style: d.style, mail: true}
	st := d.style
	p.put(`<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{}</title></head>`, d.title)
	fmt.Fprintf(&p.b, `<body style="margin:0;padding:0;background:%s"><table role="presentation" width="100%%" cellpadding="0" cellspacing="0" bgcolor="%s"><tr><td align="center" style="padding:16px"><table role="presentation" width="680" cellpadding="0" cellspacing="0" bgcolor="#ffffff" style="max-width:680px;border-top:5px solid %s"><tr><td style="padding:24px 28px;font:14px/1.45 %s;color:%s">`,
		st.shade.css(), st.shade.css(), st.accent.css(), fontStack, st.ink.css())
	p.head()
	if d.hero != nil {
		p.columns(d.hero)
	}
	for i, s := range d.ordered() {
		if s.key != "trends" && i < 5 {
			p.section(s)
		}
	}
	p.end()
	p.put(`</td></tr></table></td></tr></table></body></html>`)
	return []byte(p.b.String())
}

// head is page one.
func (p *page) head() {
	d, st := p.d, p.style
	muted := "color:" + st.muted.css()
	p.put(`<div style="color:{};font-weight:bold;font-size:13px">{}</div><h1 style="margin:6px 0 0;font-size:26px;line-height:1.2">{}</h1><div style="{}">{}, UTC</div>`, st.accent.css(), st.Organisation, d.title, muted, st.span(d.period))
	for _, t := range []string{d.lead, st.text("intro", "")} {
		if t != "" {
			p.put(`<p style="font-size:16px;margin:14px 0">{}</p>`, t)
		}
	}
	if len(d.headline) > 0 {
		p.numbers()
	}
	if len(d.checks) > 0 {
		facts(d.checks).html(p)
	}
}

func (p *page) numbers() {
	st := p.style
	line := "border-top:1px solid " + st.hair.css() + ";padding:9px 10px 9px 0;vertical-align:top"
	small := "color:" + st.muted.css() + ";font-size:12px"
	p.put(`<table width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse;margin:10px 0">`)
	for _, h := range p.d.headline {
		p.put(`<tr><td style="{}"><div style="{}">{}</div><div style="font-size:22px;font-weight:bold;white-space:nowrap">{}</div></td>`, line, small, h.Label, h.Text)
		for _, c := range []struct {
			name  string
			value *float64
			trend Trend
		}{{"Previous", h.Change, h.Trend}, {p.d.earlierName(), h.ChangeEarlier, h.TrendEarlier}} {
			p.put(`<td style="{}"><div style="{}">{}</div><div style="font-weight:bold;white-space:nowrap;color:{}">{}</div></td>`, line, small, c.name, st.tone(c.trend).css(), arrow(c.value)+st.change(c.value))
		}
		p.put(`<td style="{};font-size:13px">{}</td></tr>`, line, h.Sentence)
	}
	p.put(`</table>`)
}

func (p *page) section(s section) {
	p.put(`<h2 style="font-size:18px;margin:26px 0 4px">{}</h2>`, s.title)
	if s.about != "" {
		p.put(`<div style="color:{};font-size:12px;margin-bottom:8px">{}</div>`, p.style.muted.css(), s.about)
	}
	for _, b := range s.blocks {
		b.html(p)
	}
}

// end is the last page.
func (p *page) end() {
	d, st := p.d, p.style
	p.section(section{title: "Data coverage", blocks: []block{facts(d.coverage)}})
	if p.mail {
		p.put(`<p style="color:{};font-size:12px">{} What the numbers mean stands on its last page.</p>`, st.muted.css(), "The whole report is attached.")
	} else {
		var terms facts
		for _, t := range d.definitions() {
			terms = append(terms, [2]string{t.Name, t.Text})
		}
		p.section(section{title: "Definitions", blocks: []block{terms}})
	}
	p.put(`<p style="color:{};font-size:12px">{}</p>`, st.muted.css(), st.text("footer", "hxp · "+d.title+" · "+d.id()))
}

func (c charts) html(p *page) {
	if p.mail {
		return // the attachment has them
	}
	p.put(`<div class="charts">`)
	for _, x := range c {
		w := 90.0
		if len(c) == 1 {
			w = 174
		}
		p.b.WriteString(`<div>` + svgOf(x, w, 48) + `</div>`)
	}
	p.put(`</div>`)
}

func (t *table) html(p *page) {
	st := p.style
	side := func(c column) string {
		if c.left {
			return "left"
		}
		return "right"
	}
	row := func(cells []cell, tag, extra string) {
		p.put(`<tr>`)
		for i, c := range cells {
			tone := st.ink
			if c.trend != "" {
				tone = st.tone(c.trend)
			}
			p.put(`<`+tag+` align="{}" style="padding:4px 0 4px 8px;border-bottom:1px solid {};color:{};{}">{}</`+tag+`>`, side(t.columns[i]), st.hair.css(), tone.css(), extra, c.text)
		}
		p.put(`</tr>`)
	}
	p.put(`<table width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse;font-size:12px;font-variant-numeric:tabular-nums;margin-bottom:12px">`)
	head := make([]cell, len(t.columns))
	for i, c := range t.columns {
		head[i] = text(c.head)
	}
	row(head, "th", "color:"+st.muted.css())
	rows := t.rows
	if p.mail {
		rows = rows[:min(len(rows), 12)]
	}
	for _, r := range rows {
		row(r, "td", "")
	}
	if t.total != nil {
		row(t.total, "td", "font-weight:bold")
	}
	p.put(`</table>`)
	if n := len(t.rows) - len(rows); n > 0 {
		p.put(`<div style="font-size:12px;color:{}">{} more in the attachment.</div>`, st.muted.css(), st.count(int64(n)))
	} else if t.more != "" {
		p.put(`<div style="font-size:12px;color:{}">{}</div>`, st.muted.css(), t.more)
	}
}

func (b bars) html(p *page) {
	st := p.style
	p.put(`<table width="100%" cellpadding="0" cellspacing="0" style="font-size:12px;margin:6px 0">`)
	for _, x := range b {
		full := int(math.Round(100 * min(x.share, 1)))
		p.put(`<tr><td width="26%" style="padding:3px 8px 3px 0">{}</td><td><table width="100%" cellpadding="0" cellspacing="0"><tr>`, x.name)
		if full > 0 {
			p.put(`<td width="{}" bgcolor="{}" style="height:11px;font-size:1px">&nbsp;</td>`, fmt.Sprint(full)+"%", st.accent.css())
		}
		if full < 100 {
			p.put(`<td width="{}" bgcolor="{}" style="height:11px;font-size:1px">&nbsp;</td>`, fmt.Sprint(100-full)+"%", st.shade.css())
		}
		p.put(`</tr></table></td><td align="right" width="150" style="padding-left:8px">{}</td></tr>`, x.text)
	}
	p.put(`</table>`)
}

// columns draw a chart of bars as a table, the only picture that every mail program shows.
func (p *page) columns(c *chart) {
	if !c.bars || c.empty() || len(c.times) == 0 {
		return
	}
	st, top := p.style, c.highest()
	if top <= 0 {
		return
	}
	const height, most = 110.0, 62
	every := (len(c.times) + most - 1) / most // wide charts are thinned by adding neighbours up
	p.put(`<div style="font-weight:bold;font-size:13px;margin:18px 0 6px">{}</div><table role="presentation" width="100%" cellpadding="0" cellspacing="1" style="border-bottom:1px solid {}"><tr style="height:112px">`, c.title, st.muted.css())
	top *= float64(every)
	for i := 0; i < len(c.times); i += every {
		p.put(`<td valign="bottom" height="112">`)
		for k := len(c.series) - 1; k >= 0; k-- {
			sum := 0.0
			for _, v := range c.series[k].values[i:min(i+every, len(c.times))] {
				if v != nil {
					sum += *v
				}
			}
			if px := int(math.Round(height * sum / top)); px > 0 {
				p.put(`<div style="height:{}px;background:{};font-size:1px;line-height:1px">&nbsp;</div>`, fmt.Sprint(px), c.series[k].color.css())
			}
		}
		p.put(`</td>`)
	}
	p.put(`</tr></table><table role="presentation" width="100%" style="font-size:11px;color:{}"><tr><td>{}</td><td align="center">{}</td><td align="right">{}</td></tr></table>`, st.muted.css(),
		st.tick(c.level, c.times[0]), "highest: "+c.write(c.highest()), st.tick(c.level, c.times[len(c.times)-1]))
}

func (f facts) html(p *page) {
	p.put(`<table width="100%" cellpadding="0" cellspacing="0" style="font-size:13px">`)
	for _, pair := range f {
		p.put(`<tr><td valign="top" width="170" style="padding:3px 12px 3px 0;font-weight:bold">{}</td><td style="padding:3px 0">{}</td></tr>`, pair[0], pair[1])
	}
	p.put(`</table>`)
}

func (l items) html(p *page) {
	for _, x := range l {
		p.put(`<div style="border-left:4px solid {};padding:2px 0 2px 12px;margin:10px 0"><table width="100%" cellpadding="0" cellspacing="0"><tr><td style="font-weight:bold">{}</td><td align="right" style="font-weight:bold;color:{}">{}</td></tr></table><div style="font-size:13px">{}</div></div>`,
			p.style.mark(x.tone).css(), x.title, p.style.tone(x.tone).css(), x.right, x.text)
	}
}

func (t prose) html(p *page) { p.put(`<p style="margin:6px 0">{}</p>`, string(t)) }
