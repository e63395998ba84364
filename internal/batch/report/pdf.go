package report

import "math"

// pdf draws the document: page one, the sections, the last page.
func (d *document) pdf() ([]byte, error) {
	s := newSheet(d)
	s.first()
	for _, part := range d.ordered() {
		s.section(part)
	}
	s.last()
	return s.finish()
}

// first answers "how are we doing" on one page.
func (s *sheet) first() {
	d, st := s.d, s.style
	s.page()
	s.f.Bookmark("Overview", 0, 0)
	s.rect(0, 0, st.pageW, 3.2, st.accent)
	if len(st.logo) > 0 {
		s.picture(st.logo, margin, 9, 60, 11)
	} else {
		s.text(margin, 17, fit(s, st.Organisation, 8.5, true, 100), 8.5, true, st.accent, left)
	}
	if d.compared != "" {
		s.text(s.right, 17, "compared with "+d.compared, 8.5, false, st.muted, right)
	}
	size := 25.0
	for size > 12 && s.width(d.title, size, true) > s.inner {
		size--
	}
	s.text(margin, 30, fit(s, d.title, size, true, s.inner), size, true, st.ink, left)
	s.text(margin, 38, st.span(d.period)+", UTC", 11, false, st.muted, left)
	s.y = 46
	for _, words := range []string{d.lead, st.text("intro", "")} {
		if words != "" {
			s.lines(words, 11, st.ink, 5.4)
			s.y += 1.5
		}
	}
	s.y += 3
	s.numbers()
	if len(d.checks) > 0 {
		s.heading("Checks", "")
		facts(d.checks).sheet(s)
	}
	if d.hero != nil {
		if room := s.bottom - s.y - 7; room >= 35 {
			s.y += 7
			d.hero.draw(s, frame{margin, s.y, s.inner, min(room-1, 80)})
			s.y += min(room-1, 80)
		}
	}
}

// numbers are the five: what it is, how much, its changes, its course, and a sentence.
func (s *sheet) numbers() {
	for i, h := range s.d.headline {
		s.number(h, s.d.courses[i])
	}
	if len(s.d.headline) > 0 {
		s.line([]point{{margin, s.y}, {s.right, s.y}}, s.style.hair, 0.2)
	}
}

func (s *sheet) number(h Headline, course []*float64) {
	st := s.style
	const height = 24.0
	s.line([]point{{margin, s.y}, {s.right, s.y}}, st.hair, 0.2)
	s.text(margin, s.y+6.5, fit(s, h.Label, 8.5, false, 48), 8.5, false, st.muted, left)
	size, c := 19.0, st.ink
	if h.Value == nil {
		size, c = 14, st.muted
	}
	for size > 8 && s.width(h.Text, size, true) > 46 {
		size--
	}
	s.text(margin, s.y+16.5, h.Text, size, true, c, left)

	s.changes(margin+50, h)
	spark(s, frame{margin + 95, s.y + 5, 24, 12.5}, course, st)

	y := s.y + 6.5
	lines := wrap(s, h.Sentence, 8.5, false, s.inner-125)
	for _, l := range lines[:min(len(lines), 4)] {
		s.text(margin+125, y, l, 8.5, false, st.ink, left)
		y += 4.2
	}
	s.y += height
}

// changes are two columns: against the previous period, and against the same period before.
func (s *sheet) changes(x float64, h Headline) {
	st := s.style
	if h.Previous == nil && s.d.compared == "" {
		return
	}
	for i, c := range []struct {
		name   string
		change *float64
		trend  Trend
	}{{"Previous", h.Change, h.Trend}, {s.d.earlierName(), h.ChangeEarlier, h.TrendEarlier}} {
		if i == 1 && s.d.compared == "" {
			continue
		}
		at := x + float64(i)*22
		s.text(at, s.y+6.5, c.name, 7.5, false, st.muted, left)
		s.text(at, s.y+14.5, arrow(c.change)+st.change(c.change), 9.5, true, st.tone(c.trend), left)
		if word := map[Trend]string{Better: "better", Worse: "worse"}[c.trend]; word != "" {
			s.text(at, s.y+18.6, word, 7, false, st.muted, left)
		}
	}
}

// tone is the colour of a judgement.
func (st *style) tone(t Trend) color {
	switch t {
	case Better:
		return st.good
	case Worse:
		return st.bad
	case Unknown:
		return st.muted
	}
	return st.ink
}

func arrow(change *float64) string {
	switch {
	case change == nil || math.Abs(*change) < 0.0005:
		return ""
	case *change > 0:
		return "▲ "
	}
	return "▼ "
}

// section draws a part; its heading never stands without what belongs to it.
func (s *sheet) section(part section) {
	about := wrap(s, part.about, 8.5, false, s.inner)
	need := 19 + 4.25*float64(len(about)) + part.blocks[0].least() // the gap above, and the heading
	if s.pages == 1 && s.d.hero != nil || s.y+need > s.bottom {
		s.page()
	} else if !s.atTop() {
		s.y += 9
	}
	s.heading(part.title, part.about)
	for i, b := range part.blocks {
		if i > 0 {
			s.y += 5
			s.need(b.least())
		}
		b.sheet(s)
	}
}

// last says how much of the period the numbers cover, and what they mean.
func (s *sheet) last() {
	d := s.d
	height := 30.0
	for _, t := range d.definitions() {
		height += 2 + 4*float64(len(wrap(s, t.Text, 8, false, s.inner-40)))
	}
	for _, f := range d.coverage {
		height += 1.2 + 4.3*float64(len(wrap(s, f[1], 8.5, false, s.inner-40)))
	}
	if s.pages > 1 && s.y+9+height <= s.bottom {
		s.y += 9
	} else {
		s.page()
	}
	s.heading("Data coverage", "")
	facts(append(d.coverage[:len(d.coverage):len(d.coverage)], [2]string{"Made by", d.template() + ", report " + d.id()})).sheet(s)
	s.y += 7
	s.heading("Definitions", "")
	for _, t := range d.definitions() {
		lines := wrap(s, t.Text, 8, false, s.inner-40)
		s.need(4*float64(len(lines)) + 2)
		s.text(margin, s.y+3, t.Name, 8, true, s.style.ink, left)
		for _, l := range lines {
			s.text(margin+40, s.y+3, l, 8, false, s.style.ink, left)
			s.y += 4
		}
		s.y += 2
	}
}
