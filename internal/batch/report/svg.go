package report

import (
	"strconv"
	"strings"
)

// svg is a canvas of the web: the charts of the PDF, for a browser. One unit is one millimetre of paper.
type svg struct{ b strings.Builder }

const pt = 0.3528 // millimetres

// svgOf draws a chart by itself. A browser reads its title aloud.
func svgOf(c *chart, w, h float64) string {
	s := &svg{}
	s.b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ` + number(w) + " " + number(h) + `" role="img" font-family="Arial,'Liberation Sans',Helvetica,sans-serif"><title>`)
	s.b.WriteString(escape(c.title) + "</title>")
	c.draw(s, frame{0.5, 0.5, w - 3, h - 1})
	s.b.WriteString("</svg>")
	return s.b.String()
}

func number(v float64) string {
	text := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

func (c color) css() string {
	const digits = "0123456789abcdef"
	out := []byte{'#'}
	for _, v := range []int{c.r, c.g, c.b} {
		out = append(out, digits[v>>4&15], digits[v&15])
	}
	return string(out)
}

func (s *svg) line(pts []point, c color, width float64) {
	if len(pts) < 2 {
		return
	}
	s.b.WriteString(`<polyline fill="none" stroke-linejoin="round" stroke-linecap="round" stroke="` + c.css() + `" stroke-width="` + number(width) + `" points="`)
	for i, p := range pts {
		if i > 0 {
			s.b.WriteByte(' ')
		}
		s.b.WriteString(number(p.x) + "," + number(p.y))
	}
	s.b.WriteString(`"/>`)
}

func (s *svg) rect(x, y, w, h float64, c color) {
	if w > 0 && h > 0 {
		s.b.WriteString(`<rect x="` + number(x) + `" y="` + number(y) + `" width="` + number(w) + `" height="` + number(h) + `" fill="` + c.css() + `"/>`)
	}
}

func (s *svg) text(x, y float64, text string, size float64, bold bool, c color, a align) {
	s.b.WriteString(`<text x="` + number(x) + `" y="` + number(y) + `" font-size="` + number(size*pt) + `" fill="` + c.css() + `"`)
	if bold {
		s.b.WriteString(` font-weight="bold"`)
	}
	switch a {
	case center:
		s.b.WriteString(` text-anchor="middle"`)
	case right:
		s.b.WriteString(` text-anchor="end"`)
	}
	s.b.WriteString(">" + escape(text) + "</text>")
}

// width is an estimate, since the font of a reader is not known here: half a square for each sign.
func (s *svg) width(text string, size float64, bold bool) float64 {
	per := 0.5
	if bold {
		per = 0.56
	}
	return float64(len([]rune(text))) * size * pt * per
}
