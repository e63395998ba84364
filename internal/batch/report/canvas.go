package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// color is red, green, blue.
type color struct{ r, g, b int }

// The colours: ink on white, one accent, and two that judge.
var (
	ink     = color{28, 37, 48}
	muted   = color{101, 113, 128}
	hair    = color{218, 223, 230}
	shade   = color{245, 247, 250}
	accent  = color{32, 87, 166}
	accent2 = color{104, 159, 214}
	accent3 = color{184, 207, 233}
	good    = color{24, 122, 72}
	bad     = color{186, 52, 40}
)

// point is a place on the page, in millimetres from its upper left corner.
type point struct{ x, y float64 }

type align int

const (
	left align = iota
	center
	right
)

// canvas is a page to draw on. Text stands on its baseline. What is drawn outside of the page is a mistake of the caller.
type canvas interface {
	line(pts []point, c color, width float64)
	rect(x, y, w, h float64, c color)
	text(x, y float64, s string, size float64, bold bool, c color, a align)
	width(s string, size float64, bold bool) float64
}

// Size and margins of the page: A4.
const (
	pageW, pageH = 210.0, 297.0
	margin       = 18.0
	innerW       = pageW - 2*margin
	bottom       = pageH - 20 // nothing but the footer lies below
)

// paper is a canvas of a PDF.
type paper struct {
	f    *fpdf.Fpdf
	font string // last set: size and weight
}

const family = "hxp"

// noTime is replaced by blanks: a file says what the data say and not when it was made.
var noTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newPaper(title, subject string) *paper {
	f := fpdf.New("P", "mm", "A4", "")
	f.SetCatalogSort(true)
	f.SetCreationDate(noTime)
	f.SetModificationDate(noTime)
	f.SetProducer("hxp", true)
	f.SetTitle(title, true)
	f.SetSubject(subject, true)
	f.SetLang("en")
	f.SetMargins(margin, margin, margin)
	f.SetAutoPageBreak(false, 0)
	f.AddUTF8FontFromBytes(family, "", regular())
	f.AddUTF8FontFromBytes(family, "B", bold())
	return &paper{f: f}
}

func (p *paper) use(size float64, bold bool) {
	style := ""
	if bold {
		style = "B"
	}
	if font := fmt.Sprint(style, size); font != p.font {
		p.f.SetFont(family, style, size)
		p.font = font
	}
}

func (p *paper) addPage() {
	p.f.AddPage()
	p.font = ""
}

func (p *paper) line(pts []point, c color, width float64) {
	if len(pts) < 2 {
		return
	}
	p.f.SetDrawColor(c.r, c.g, c.b)
	p.f.SetLineWidth(width)
	p.f.SetLineJoinStyle("round")
	p.f.SetLineCapStyle("round")
	p.f.MoveTo(pts[0].x, pts[0].y)
	for _, q := range pts[1:] {
		p.f.LineTo(q.x, q.y)
	}
	p.f.DrawPath("D")
}

func (p *paper) rect(x, y, w, h float64, c color) {
	if w <= 0 || h <= 0 {
		return
	}
	p.f.SetFillColor(c.r, c.g, c.b)
	p.f.Rect(x, y, w, h, "F")
}

func (p *paper) text(x, y float64, s string, size float64, bold bool, c color, a align) {
	if s = printable(s); s == "" {
		return
	}
	p.use(size, bold)
	switch a {
	case center:
		x -= p.f.GetStringWidth(s) / 2
	case right:
		x -= p.f.GetStringWidth(s)
	}
	p.f.SetTextColor(c.r, c.g, c.b)
	p.f.Text(x, y, s)
}

func (p *paper) width(s string, size float64, bold bool) float64 {
	p.use(size, bold)
	return p.f.GetStringWidth(printable(s))
}

// attach puts a file into the document.
func (p *paper) attach(name, about string, content []byte) {
	p.f.SetAttachments([]fpdf.Attachment{{Content: content, Filename: name, Description: about}})
}

// bytes closes the document.
func (p *paper) bytes() ([]byte, error) {
	var b bytes.Buffer
	if err := p.f.Output(&b); err != nil {
		return nil, fmt.Errorf("report: pdf: %w", err)
	}
	out := b.Bytes()
	for _, key := range []string{"/CreationDate ", "/ModDate "} { // blanks keep the offsets of the cross-reference table
		entry := []byte(key + "(D:" + noTime.Format("20060102150405") + ")")
		at := bytes.LastIndex(out, entry)
		if at < 0 {
			return nil, fmt.Errorf("report: pdf: the library writes %snot as expected", key)
		}
		copy(out[at:], bytes.Repeat([]byte(" "), len(entry)))
	}
	return out, nil
}

// wrap breaks a text into lines of at most width w.
func wrap(c canvas, s string, size float64, bold bool, w float64) []string {
	var lines []string
	now := ""
	for word := range strings.FieldsSeq(s) {
		switch longer := now + " " + word; {
		case now == "":
			now = word
		case c.width(longer, size, bold) <= w:
			now = longer
		default:
			lines, now = append(lines, now), word
		}
	}
	if now != "" {
		lines = append(lines, now)
	}
	return lines
}

// fit shortens a text to a width; what is cut is marked by an ellipsis.
func fit(c canvas, s string, size float64, bold bool, w float64) string {
	s = printable(s)
	if c.width(s, size, bold) <= w {
		return s
	}
	r := []rune(s)
	for len(r) > 1 && c.width(string(r)+"…", size, bold) > w {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}
