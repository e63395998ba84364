package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// style is how a document writes numbers, money and days, and its colours and page.
type style struct {
	*Template
	locale
	palette
	pageW, pageH float64 // millimetres
}

// locale is the custom of a place.
type locale struct {
	point, apart string // before decimals, between thousands
	behind       bool   // the sign of the money stands behind the amount
	day          string // layout of a day with its year
	brief        string // without it
	months       string // names in the order of the year; "" = English
	days         string // from Sunday
	clock        string
}

var locales = map[string]locale{
	"en-US": {".", ",", false, "2 Jan 2006", "2 Jan", "", "", "15:04"},
	"en-GB": {".", ",", false, "2 Jan 2006", "2 Jan", "", "", "15:04"},
	"de-DE": {",", ".", true, "2. Jan 2006", "2. Jan", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember", "Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag", "15:04"},
	"de-CH": {".", "’", false, "2. Jan 2006", "2. Jan", "Januar Februar März April Mai Juni Juli August September Oktober November Dezember", "Sonntag Montag Dienstag Mittwoch Donnerstag Freitag Samstag", "15:04"},
	"fr-FR": {",", "\u00a0", true, "2 Jan 2006", "2 Jan", "janvier février mars avril mai juin juillet août septembre octobre novembre décembre", "dimanche lundi mardi mercredi jeudi vendredi samedi", "15:04"},
	"es-ES": {",", ".", true, "2 Jan 2006", "2 Jan", "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre", "domingo lunes martes miércoles jueves viernes sábado", "15:04"},
	"it-IT": {",", ".", true, "2 Jan 2006", "2 Jan", "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre", "domenica lunedì martedì mercoledì giovedì venerdì sabato", "15:04"},
	"nl-NL": {",", ".", false, "2 Jan 2006", "2 Jan", "januari februari maart april mei juni juli augustus september oktober november december", "zondag maandag dinsdag woensdag donderdag vrijdag zaterdag", "15:04"},
}

// palette are the colours of a document: ink on white, one accent with two tints of it, and two that judge.
type palette struct{ ink, muted, hair, shade, accent, accent2, accent3, good, bad color }

// styleOf makes the style of a template; nil is the built-in one.
func styleOf(t *Template) *style {
	if t == nil {
		t = builtin
	}
	s := &style{Template: t, locale: locales[t.Locale], pageW: 210, pageH: 297}
	if t.Paper == "letter" {
		s.pageW, s.pageH = 215.9, 279.4
	}
	accent := colorOf(t.Colors.Accent)
	s.palette = palette{ink: colorOf(t.Colors.Ink), muted: color{101, 113, 128}, hair: color{218, 223, 230}, shade: color{245, 247, 250},
		accent: accent, accent2: accent.mix(0.42), accent3: accent.mix(0.68), good: colorOf(t.Colors.Good), bad: colorOf(t.Colors.Bad)}
	return s
}

// english is the built-in style, for what is no document.
var english = styleOf(nil)

// How numbers are written for people. Absent data is said in words, never shown as 0.
const noData = "no data"

// group puts the signs of the place into a number that is written with a point, or with nothing.
func (s *style) group(number string) string {
	sign := ""
	if rest, ok := strings.CutPrefix(number, "-"); ok {
		sign, number = "−", rest
	}
	whole, decimals, has := strings.Cut(number, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + s.apart + whole[i:]
	}
	if has {
		whole += s.point + decimals
	}
	return sign + whole
}

// count writes a whole number with its thousands apart.
func (s *style) count(n int64) string { return s.group(strconv.FormatInt(n, 10)) }

// fixed writes a number with so many decimals.
func (s *style) fixed(v float64, decimals int) string {
	return s.group(strconv.FormatFloat(v, 'f', decimals, 64))
}

// short writes a large number with a suffix, for axes and narrow columns.
func (s *style) short(v float64) string {
	a := math.Abs(v)
	for _, u := range []struct {
		least, unit float64
		suffix      string
	}{{1e12, 1e12, "T"}, {1e9, 1e9, "B"}, {1e6, 1e6, "M"}, {1e4, 1e3, "k"}} {
		if a >= u.least {
			return s.digits(v/u.unit, 3) + u.suffix
		}
	}
	if a == math.Trunc(a) {
		return s.count(int64(v))
	}
	return s.digits(v, 3)
}

// digits rounds to significant digits, without an exponent and without needless zeros after the point.
func (s *style) digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	decimals := n - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', min(max(decimals, 0), 12), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return s.group(text)
}

func (s *style) percent(v *float64) string {
	if v == nil {
		return noData
	}
	return s.fixed(*v*100, 2) + " %"
}

func (s *style) millis(v *float64) string {
	switch {
	case v == nil:
		return noData
	case *v >= 99_999.5:
		return s.count(int64(math.Round(*v/1000))) + " s"
	case *v >= 100:
		return s.count(int64(math.Round(*v))) + " ms"
	}
	return s.digits(*v, 3) + " ms"
}

func (s *style) score(v *float64) string {
	if v == nil {
		return noData
	}
	return s.fixed(*v, 2) + " of 5"
}

// money writes an amount in US dollars in the money of the reader: cents above one, three significant digits below.
func (s *style) money(v *float64) string {
	if v == nil {
		return noData
	}
	amount := *v * s.rate()
	a, sign := math.Abs(amount), ""
	if amount < 0 {
		sign = "−"
	}
	switch {
	case a == 0:
		return s.signed(sign, s.group("0.00"))
	case a < 0.995:
		return s.signed(sign, s.fixed(a, min(12, 2-int(math.Floor(math.Log10(a)))))) // with zeros at the end: amounts stand below each other
	}
	return s.signed(sign, s.fixed(a, 2))
}

// moneyShort writes an amount at an axis.
func (s *style) moneyShort(v float64) string {
	v = math.Round(v*s.rate()*1e12) / 1e12
	if math.Abs(v) >= 100 || v == math.Trunc(v) {
		return s.signed("", s.short(v))
	}
	digits := 2
	for scaled := v * 100; digits < 9 && math.Abs(scaled-math.Round(scaled)) > 1e-6; digits++ {
		scaled *= 10
	}
	return s.signed("", s.fixed(v, digits))
}

func (s *style) rate() float64 {
	if s.Currency.rate == 0 {
		return 1
	}
	return s.Currency.rate
}

// signed puts the sign of the money where it belongs.
func (s *style) signed(minus, amount string) string {
	if s.behind {
		return minus + amount + "\u00a0" + s.Currency.Symbol
	}
	if len([]rune(s.Currency.Symbol)) > 1 {
		return minus + s.Currency.Symbol + "\u00a0" + amount
	}
	return minus + s.Currency.Symbol + amount
}

// change writes a relative change: "+8.2 %", "−50 %", "±0 %".
func (s *style) change(v *float64) string {
	if v == nil {
		return "–"
	}
	p := *v * 100
	decimals := 1
	if math.Abs(p) >= 1000 {
		decimals = 0
	}
	text := s.fixed(math.Abs(p), decimals) + " %"
	switch {
	case math.Abs(p) < 0.05:
		return "±0 %"
	case p < 0:
		return "−" + text
	}
	return "+" + text
}

// plural writes a number with its noun.
func (s *style) plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return s.count(n) + " " + noun + "s"
}

// date writes a time by a layout of package time, with the names of the place.
func (s *style) date(t time.Time, layout string) string {
	t = t.UTC()
	if s.months == "" {
		return t.Format(layout)
	}
	month, day := strings.Fields(s.months)[t.Month()-1], strings.Fields(s.days)[t.Weekday()]
	brief := month
	if r := []rune(month); len(r) > 4 {
		brief = string(r[:3])
	}
	text := t.Format(strings.NewReplacer("January", "\x01", "Jan", "\x02", "Monday", "\x03").Replace(layout))
	return strings.NewReplacer("\x01", month, "\x02", brief, "\x03", day).Replace(text)
}

// span says a period as people do; both days are part of it.
func (s *style) span(p Period) string {
	day := "Monday, 2 January 2006"
	if s.months != "" && strings.HasPrefix(s.day, "2.") {
		day = "Monday, 2. January 2006"
	}
	start, end := p.Start.UTC(), p.End.UTC()
	if Floor("daily", start).Equal(start) && Floor("daily", end).Equal(end) {
		last := end.AddDate(0, 0, -1)
		switch {
		case last.Equal(start):
			return s.date(start, day)
		case Floor("monthly", start).Equal(start) && Step("monthly", start, 1).Equal(end):
			return s.date(start, "January 2006")
		}
		return s.date(start, s.day) + " – " + s.date(last, s.day)
	}
	if Floor("daily", start).Equal(Floor("daily", end.Add(-time.Nanosecond))) {
		return s.date(start, day+", "+s.clock) + " – " + endClock(end)
	}
	return s.date(start, s.day+", "+s.clock) + " – " + s.date(end, s.day+", "+s.clock)
}

// label names one period of a level in a table; tick does at an axis.
func (s *style) label(level string, t time.Time) string {
	switch level {
	case "hourly":
		return s.date(t, s.brief+" "+s.clock)
	case "monthly":
		return s.date(t, "Jan 2006")
	}
	return s.date(t, s.day)
}

func (s *style) tick(level string, t time.Time) string {
	switch {
	case level == "hourly" && t.UTC().Hour() != 0:
		return s.date(t, s.clock)
	case level == "monthly":
		return s.date(t, "Jan 2006")
	}
	return s.date(t, s.brief)
}

// printable keeps what the fonts of the PDF can draw and writes the rest by its code, so that two names never look the same.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= ' ' && r <= '~', r >= 0xa0 && r <= 0x17f && r != 0xad, r >= 0x391 && r <= 0x3c9 && r != 0x3a2, r >= 0x400 && r <= 0x45f,
			strings.ContainsRune("–—‘’“”„•…‰€−≤≥≠±→▲▼", r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// spoken writes a name of the APIs for people: "gpu_memory_usage" is "GPU memory usage".
func spoken(name string) string {
	parts := strings.Split(name, "_")
	for i, p := range parts {
		switch p {
		case "gpu", "cpu", "kv", "ttft", "tpot":
			parts[i] = strings.ToUpper(p)
		case "":
		default:
			if i == 0 {
				parts[i] = strings.ToUpper(p[:1]) + p[1:]
			}
		}
	}
	return strings.Join(parts, " ")
}
