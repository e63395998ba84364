package report

import (
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// sheet lays out a document page by page.
type sheet struct {
	*paper
	title, period string
	source        string  // where all rows are
	y             float64 // how far down the page is used
	pages         int
}

func newSheet(title, period string) *sheet {
	return &sheet{paper: newPaper(title+", "+period, "hxp report, template "+Schema), title: title, period: period}
}

// mostAttached is how large a CSV may be to be put into the PDF; a document is for mailing.
const mostAttached = 2 << 20

// rows attaches the rows of a report, unless there are too many.
func (s *sheet) rows(k Kind, table []byte) {
	s.source = "the report in CSV, which is too large to be attached"
	if len(table) <= mostAttached {
		name := string(k) + ".csv"
		s.attach(name, "the rows of this report", table)
		s.source = "the attached " + name
	}
}

// page begins a new page with a running head.
func (s *sheet) page() {
	s.addPage()
	s.pages++
	s.y = margin
	if s.pages == 1 {
		return
	}
	s.text(margin, s.y, s.title, 8, true, ink, left)
	s.text(pageW-margin, s.y, s.period, 8, false, muted, right)
	s.line([]point{{margin, s.y + 2.2}, {pageW - margin, s.y + 2.2}}, hair, 0.2)
	s.y += 11
}

// need begins a new page unless h millimetres are left on this one.
func (s *sheet) need(h float64) bool {
	if s.y+h <= bottom {
		return false
	}
	s.page()
	return true
}

// heading starts a section.
func (s *sheet) heading(text, about string) {
	s.need(30)
	s.f.Bookmark(text, 0, s.y)
	s.text(margin, s.y+4, text, 13, true, ink, left)
	s.y += 7.5
	if about != "" {
		s.paragraph(about, 8.5, muted)
	}
	s.y += 2.5
}

// paragraph writes a text over the whole width.
func (s *sheet) paragraph(text string, size float64, c color) {
	for _, l := range wrap(s, text, size, false, innerW) {
		s.need(size * 0.5)
		s.text(margin, s.y+size*0.33, l, size, false, c, left)
		s.y += size * 0.5
	}
}

// footers writes the last line of every page, now that their number is known.
func (s *sheet) footers() {
	for i := 1; i <= s.pages; i++ {
		s.f.SetPage(i)
		s.font = ""
		y := pageH - 11
		s.line([]point{{margin, y - 4.5}, {pageW - margin, y - 4.5}}, hair, 0.2)
		s.text(margin, y, "hxp · "+s.title+" · "+s.period+" (UTC)", 7.2, false, muted, left)
		s.text(pageW-margin, y, fmt.Sprintf("page %d of %d", i, s.pages), 7.2, false, muted, right)
	}
}

// finish adds the footers and closes the document.
func (s *sheet) finish() ([]byte, error) {
	s.footers()
	return s.bytes()
}

// column is one column of a table.
type column struct {
	head  string
	width float64
	left  bool
	cell  func(r *agg.Row) string
}

// table draws rows and, below a rule, their total. The head comes again on each page; a row is never cut in two.
func (s *sheet) table(cols []column, rows []agg.Row, total *agg.Row) {
	const height, size = 5.6, 8.0
	head := func() {
		x := margin
		for _, c := range cols {
			if c.left {
				s.text(x, s.y+3.6, c.head, size, true, muted, left)
			} else {
				s.text(x+c.width, s.y+3.6, c.head, size, true, muted, right)
			}
			x += c.width
		}
		s.line([]point{{margin, s.y + 5.4}, {pageW - margin, s.y + 5.4}}, muted, 0.25)
		s.y += 6.4
	}
	draw := func(r *agg.Row, bold bool) {
		x := margin
		for _, c := range cols {
			if c.left {
				s.text(x, s.y+3.6, fit(s, c.cell(r), size, bold, c.width-1), size, bold, ink, left)
			} else {
				s.text(x+c.width, s.y+3.6, c.cell(r), size, bold, ink, right)
			}
			x += c.width
		}
		s.y += height
	}
	head()
	for i := range rows {
		if s.need(height) {
			head()
		}
		draw(&rows[i], false)
		s.line([]point{{margin, s.y - 0.2}, {pageW - margin, s.y - 0.2}}, hair, 0.12)
	}
	if total != nil && len(rows) > 1 {
		if s.need(height) {
			head()
		}
		s.line([]point{{margin, s.y - 0.2}, {pageW - margin, s.y - 0.2}}, muted, 0.25)
		sum := *total
		cols = slices.Clone(cols)
		cols[0].cell = func(*agg.Row) string { return "Total" }
		draw(&sum, true)
	}
}

// facts writes pairs of a name and a text.
func (s *sheet) facts(pairs [][2]string) {
	for _, f := range pairs {
		s.text(margin, s.y+3, f[0], 8.5, true, ink, left)
		for _, l := range wrap(s, f[1], 8.5, false, innerW-40) {
			s.text(margin+40, s.y+3, l, 8.5, false, ink, left)
			s.y += 4.3
		}
		s.y += 1.2
	}
}
