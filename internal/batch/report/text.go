package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// How numbers are written for people. Absent data is said in words, never shown as 0.
const noData = "no data"

// count writes a whole number with its thousands apart.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "−", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// short writes a large number with a suffix, for axes and narrow columns.
func short(v float64) string {
	a := math.Abs(v)
	for _, s := range []struct {
		least  float64
		suffix string
	}{{1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e4, "k"}} {
		if a >= s.least {
			unit := s.least
			if s.suffix == "k" {
				unit = 1e3
			}
			return digits(v/unit, 3) + s.suffix
		}
	}
	if a == math.Trunc(a) {
		return count(int64(v))
	}
	return digits(v, 3)
}

// digits rounds to significant digits, without an exponent and without needless zeros after the point.
func digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	decimals := n - 1 - int(math.Floor(math.Log10(math.Abs(v))))
	text := strconv.FormatFloat(v, 'f', min(max(decimals, 0), 12), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return strings.Replace(text, "-", "−", 1)
}

func percent(v *float64) string {
	if v == nil {
		return noData
	}
	return strconv.FormatFloat(*v*100, 'f', 2, 64) + " %"
}

func millis(v *float64) string {
	switch {
	case v == nil:
		return noData
	case *v >= 99_999.5:
		return count(int64(math.Round(*v/1000))) + " s"
	case *v >= 100:
		return count(int64(math.Round(*v))) + " ms"
	}
	return digits(*v, 3) + " ms"
}

func score(v *float64) string {
	if v == nil {
		return noData
	}
	return strconv.FormatFloat(*v, 'f', 2, 64) + " of 5"
}

// money writes dollars: cents above one dollar, three significant digits below.
func money(v *float64) string {
	if v == nil {
		return noData
	}
	a, sign := math.Abs(*v), ""
	if *v < 0 {
		sign = "−"
	}
	switch {
	case a == 0:
		return "$0.00"
	case a < 0.995:
		return sign + "$" + digits(a, 3)
	}
	cents := int64(math.Round(a * 100))
	return sign + "$" + count(cents/100) + fmt.Sprintf(".%02d", cents%100)
}

// change writes a relative change: "+8.2 %", "−50 %", "no change".
func changeText(v *float64) string {
	if v == nil {
		return "–"
	}
	p := *v * 100
	switch a := math.Abs(p); {
	case a < 0.05:
		return "±0 %"
	case a >= 1000:
		return signed(p, 0)
	default:
		return signed(p, 1)
	}
}

func signed(p float64, decimals int) string {
	text := strconv.FormatFloat(math.Abs(p), 'f', decimals, 64) + " %"
	if p < 0 {
		return "−" + text
	}
	return "+" + text
}

// plural writes a number with its noun.
func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
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
