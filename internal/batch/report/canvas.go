package report

import (
	"bytes"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"codeberg.org/go-pdf/fpdf"
)

// color is red, green, blue.
type color struct{ r, g, b int }

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

const (
	margin = 18.0 // of a page, in millimetres
	foot   = 20.0 // below the text
)

// paper is a canvas of a PDF.
type paper struct {
	f    *fpdf.Fpdf
	font string // last set: size and weight
}

const family = "hxp"

// noTime is replaced by blanks: a file says what the data say and not when it was made.
var noTime = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func newPaper(title, subject string, w, h float64) *paper {
	f := fpdf.NewCustom(&fpdf.InitType{OrientationStr: "P", UnitStr: "mm", Size: fpdf.SizeType{Wd: w, Ht: h}})
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

// picture draws a checked PNG into a box, as large as it goes.
func (p *paper) picture(png []byte, x, y, w, h float64) {
	pw, ph := logoSize(png)
	scale := min(w/pw, h/ph)
	p.f.RegisterImageOptionsReader("logo", fpdf.ImageOptions{ImageType: "PNG"}, bytes.NewReader(png))
	p.f.ImageOptions("logo", x, y, pw*scale, ph*scale, false, fpdf.ImageOptions{ImageType: "PNG"}, 0, "")
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

// wrap breaks a text into lines of at most width w; a word that is longer is cut.
func wrap(c canvas, s string, size float64, bold bool, w float64) []string {
	var lines []string
	now := ""
	for word := range strings.FieldsSeq(s) {
		for c.width(word, size, bold) > w {
			head := cut(c, word, size, bold, w)
			if now != "" {
				lines, now = append(lines, now), ""
			}
			lines, word = append(lines, head), word[len(head):]
		}
		switch longer := now + " " + word; {
		case word == "":
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

// cut returns as much of the beginning of a word as has room, at least one rune.
func cut(c canvas, word string, size float64, bold bool, w float64) string {
	end := 0
	for i, r := range word {
		next := i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			next = i + 1
		}
		if end > 0 && c.width(word[:next], size, bold) > w {
			break
		}
		end = next
	}
	return word[:end]
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
