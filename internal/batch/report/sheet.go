package report

import (
	"fmt"
	"math"
)

// sheet lays out a document page by page.
type sheet struct {
	*paper
	d      *document
	style  *style
	y      float64 // how far down the page is used
	inner  float64 // width of the text
	right  float64 // its right end
	bottom float64 // nothing but the footer lies below
	pages  int
	top    float64 // y of a page that nothing stands on yet
}

func newSheet(d *document) *sheet {
	st := d.style
	p := newPaper(d.title+", "+st.span(d.period), "hxp report, template "+Schema, st.pageW, st.pageH)
	s := &sheet{paper: p, d: d, style: st, inner: st.pageW - 2*margin, right: st.pageW - margin, bottom: st.pageH - foot}
	if d.table != nil {
		s.attach(string(d.kind)+".csv", "the rows of this report", d.table)
	}
	return s
}

// page begins a new page with a running head.
func (s *sheet) page() {
	s.addPage()
	s.pages++
	s.y, s.top = margin, margin
	if s.pages == 1 {
		return
	}
	period := s.style.span(s.d.period)
	s.text(margin, s.y, fit(s, s.d.title, 8, true, s.inner-s.width(period, 8, false)-6), 8, true, s.style.ink, left)
	s.text(s.right, s.y, period, 8, false, s.style.muted, right)
	s.line([]point{{margin, s.y + 2.2}, {s.right, s.y + 2.2}}, s.style.hair, 0.2)
	s.y += 11
	s.top = s.y
}

func (s *sheet) atTop() bool { return s.y == s.top }

// need begins a new page unless h millimetres are left on this one.
func (s *sheet) need(h float64) bool {
	if s.y+h <= s.bottom || s.atTop() {
		return false
	}
	s.page()
	return true
}

// heading starts a section.
func (s *sheet) heading(text, about string) {
	s.f.Bookmark(printable(text), 0, s.y)
	s.text(margin, s.y+4, fit(s, text, 13, true, s.inner), 13, true, s.style.ink, left)
	s.y += 7.5
	if about != "" {
		s.lines(about, 8.5, s.style.muted, 4.25)
	}
	s.y += 2.5
}

// lines writes a text over the whole width.
func (s *sheet) lines(text string, size float64, c color, step float64) {
	for _, l := range wrap(s, text, size, false, s.inner) {
		s.need(step)
		s.text(margin, s.y+size*0.33, l, size, false, c, left)
		s.y += step
	}
}

// footers writes the last line of every page, now that their number is known.
func (s *sheet) footers() {
	y := s.style.pageH - 11
	line := s.style.text("footer", "hxp · "+s.d.title+" · "+s.style.span(s.d.period)+" (UTC)")
	for i := 1; i <= s.pages; i++ {
		s.f.SetPage(i)
		s.font = ""
		number := fmt.Sprintf("page %d of %d", i, s.pages)
		s.line([]point{{margin, y - 4.5}, {s.right, y - 4.5}}, s.style.hair, 0.2)
		s.text(margin, y, fit(s, line, 7.2, false, s.inner-30), 7.2, false, s.style.muted, left)
		s.text(s.right, y, number, 7.2, false, s.style.muted, right)
	}
}

// finish adds the footers and closes the document.
func (s *sheet) finish() ([]byte, error) {
	s.footers()
	return s.bytes()
}

const chartH = 51.0

func (c charts) least() float64 { return chartH }

func (c charts) sheet(s *sheet) {
	const gap = 9.0
	if len(c) == 1 {
		s.need(chartH + 8)
		c[0].draw(s, frame{margin, s.y, s.inner, chartH + 8})
		s.y += chartH + 8
		return
	}
	w := (s.inner - gap) / 2
	for i := 0; i < len(c); i += 2 {
		s.need(chartH)
		for k, ch := range c[i:min(i+2, len(c))] {
			ch.draw(s, frame{margin + float64(k)*(w+gap), s.y, w, chartH})
		}
		s.y += chartH
		if i+2 < len(c) && s.y+6+chartH <= s.bottom {
			s.y += 6
		}
	}
}

const rowH, tableSize = 5.6, 8.0

func (t *table) least() float64 { return 6.4 + rowH*float64(min(len(t.rows), 4)+1) }

// widths of the columns on a page: those that are given, to scale, and the rest for the one without.
func (t *table) widths(inner float64) []float64 {
	out := make([]float64, len(t.columns))
	rest, open := inner, -1
	for i, c := range t.columns {
		if out[i] = c.width * inner / 174; c.width == 0 {
			open = i
		}
		rest -= out[i]
	}
	if open >= 0 {
		out[open] = rest
	}
	return out
}

// sheet draws rows and, below a rule, their total. The head comes again on each page; no row is cut in two, and the last is not alone.
func (t *table) sheet(s *sheet) {
	st, widths := s.style, t.widths(s.inner)
	put := func(row []cell, bold bool, c func(cell) color) {
		x := margin
		for i, col := range t.columns {
			words := fit(s, row[i].text, tableSize, bold, widths[i]-1.5)
			if col.left {
				s.text(x, s.y+3.6, words, tableSize, bold, c(row[i]), left)
			} else {
				s.text(x+widths[i], s.y+3.6, words, tableSize, bold, c(row[i]), right)
			}
			x += widths[i]
		}
	}
	head := func() {
		names := make([]cell, len(t.columns))
		for i, c := range t.columns {
			names[i].text = c.head
		}
		put(names, true, func(cell) color { return st.muted })
		s.line([]point{{margin, s.y + 5.4}, {s.right, s.y + 5.4}}, st.muted, 0.25)
		s.y += 6.4
	}
	judged := func(c cell) color {
		if c.trend == "" {
			return st.ink
		}
		return st.tone(c.trend)
	}
	head()
	for i, row := range t.rows {
		together := rowH
		if i == len(t.rows)-2 || i == len(t.rows)-1 && t.total != nil {
			together = 2 * rowH // the last goes with the one before it, or with the total
		}
		if s.need(together) {
			head()
		}
		put(row, false, judged)
		s.y += rowH
		s.line([]point{{margin, s.y - 0.2}, {s.right, s.y - 0.2}}, st.hair, 0.12)
	}
	if t.total != nil {
		s.line([]point{{margin, s.y - 0.2}, {s.right, s.y - 0.2}}, st.muted, 0.25)
		put(t.total, true, judged)
		s.y += rowH
	}
	if t.more != "" {
		s.y += 2
		s.lines(t.more, 8, st.muted, 4)
	}
}

const barH = 6.2

func (b bars) least() float64 { return barH * float64(min(len(b), 12)) }

func (b bars) sheet(s *sheet) {
	st := s.style
	for _, x := range b {
		s.need(barH)
		s.text(margin, s.y+3.2, fit(s, x.name, 8, false, 44), 8, false, st.ink, left)
		w := s.inner - 46 - 34
		s.rect(margin+46, s.y+0.4, w, 3.6, st.shade)
		s.rect(margin+46, s.y+0.4, w*math.Min(x.share, 1), 3.6, st.accent)
		s.text(s.right, s.y+3.2, fit(s, x.text, 8, false, 32), 8, false, st.ink, right)
		s.y += barH
	}
}

func (f facts) least() float64 { return 11 }

func (f facts) sheet(s *sheet) {
	for _, pair := range f {
		lines := wrap(s, pair[1], 8.5, false, s.inner-40)
		s.need(4.3*float64(min(len(lines), 6)) + 1.2)
		s.text(margin, s.y+3, fit(s, pair[0], 8.5, true, 38), 8.5, true, s.style.ink, left)
		for _, l := range lines {
			s.need(4.3)
			s.text(margin+40, s.y+3, l, 8.5, false, s.style.ink, left)
			s.y += 4.3
		}
		s.y += 1.2
	}
}

func (l items) least() float64 { return 22 }

// sheet draws statements: a mark, the title with a number at the right, and the text below.
func (l items) sheet(s *sheet) {
	for _, x := range l {
		lines := wrap(s, x.text, 8.5, false, s.inner-6)
		height := 5.4 + 4.25*float64(len(lines)) + 3.4
		s.need(min(height, s.bottom-s.top))
		s.rect(margin, s.y+0.4, 1.2, height-3.4, s.style.mark(x.tone))
		s.text(margin+5, s.y+3.6, fit(s, x.title, 9, true, s.inner-52), 9, true, s.style.ink, left)
		s.text(s.right, s.y+3.6, fit(s, x.right, 9, true, 45), 9, true, s.style.tone(x.tone), right)
		s.y += 5.4
		for _, words := range lines {
			s.need(4.25)
			s.text(margin+5, s.y+3, words, 8.5, false, s.style.ink, left)
			s.y += 4.25
		}
		s.y += 3.4
	}
}

// mark is the colour of the mark beside a statement.
func (st *style) mark(t Trend) color {
	if t == Better || t == Worse {
		return st.tone(t)
	}
	return st.accent2
}

func (p prose) least() float64 { return 10 }

func (p prose) sheet(s *sheet) { s.lines(string(p), 9.5, s.style.ink, 4.8) }
