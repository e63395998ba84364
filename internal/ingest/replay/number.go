package replay

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// decimal is a number as it stands in a file: digits × 10^exp, negative when neg.
type decimal struct {
	digits string // without sign, point and leading zeros; "" is zero
	exp    int
	neg    bool
}

var errNumber = errors.New("is not a number")

// parseDecimal reads "12", "-0.5", "1.94e7". It refuses what floating point would take but no trace means: NaN,
// infinities, hexadecimal, underscores.
func parseDecimal(s string) (decimal, error) {
	var d decimal
	rest := s
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		d.neg, rest = rest[0] == '-', rest[1:]
	}
	if i := strings.IndexAny(rest, "eE"); i >= 0 {
		e, err := smallInt(rest[i+1:])
		if err != nil {
			return d, errNumber
		}
		d.exp, rest = e, rest[:i]
	}
	whole, fraction, point := strings.Cut(rest, ".")
	if whole == "" && fraction == "" || point && fraction == "" && whole == "" || !allDigits(whole) || !allDigits(fraction) {
		return d, errNumber
	}
	d.exp -= len(fraction)
	d.digits = strings.TrimLeft(whole+fraction, "0")
	if len(d.digits) > 400 {
		return d, errors.New("has too many digits")
	}
	return d, nil
}

func smallInt(s string) (int, error) {
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if s == "" || len(s) > 3 || !allDigits(s) {
		return 0, errNumber
	}
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	if neg {
		n = -n
	}
	return n, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

type rounding uint8

const (
	floor   rounding = iota // to the next smaller integer
	nearest                 // half away from zero
	exactly                 // refused when something would be lost
)

// scaled returns d × 10^places as an integer.
func (d decimal) scaled(places int, how rounding) (int64, error) {
	if d.digits == "" {
		return 0, nil
	}
	digits, shift := d.digits, d.exp+places
	lost, half := false, false
	if shift < 0 {
		cut := len(digits) + shift
		if cut < 0 {
			digits, lost = "", true
		} else {
			lost = strings.Trim(digits[cut:], "0") != ""
			half = digits[cut] >= '5'
			digits = digits[:cut]
		}
	}
	if lost && how == exactly {
		return 0, errors.New("is not a whole number")
	}
	var n int64
	for i := 0; i < len(digits)+max(shift, 0); i++ {
		if n > (math.MaxInt64-9)/10 {
			return 0, errors.New("is out of range")
		}
		n *= 10
		if i < len(digits) {
			n += int64(digits[i] - '0')
		}
	}
	switch {
	case how == nearest && half, how == floor && d.neg && lost:
		n++
	}
	if d.neg {
		n = -n
	}
	return n, nil
}

// number parses s and scales it, naming it in the error.
func number(name, s string, places int, how rounding) (int64, error) {
	d, err := parseDecimal(s)
	if err == nil {
		var n int64
		if n, err = d.scaled(places, how); err == nil {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s %q %w", name, clip(s), err)
}

// clip keeps an odd value from filling the terminal.
func clip(s string) string { return words.Clip(s, 60) }

// wallClock parses "2023-11-16 18:17:03.9799600", with "T" or a blank, any number of fractional digits, and a zone or none
// (then UTC). It returns microseconds since the epoch, cut.
func wallClock(name, s string) (int64, error) {
	bad := fmt.Errorf("%s %q is not a time (want YYYY-MM-DD HH:MM:SS)", name, clip(s))
	if len(s) < 19 || (s[10] != ' ' && s[10] != 'T') {
		return 0, bad
	}
	t, err := time.Parse("2006-01-02 15:04:05", s[:10]+" "+s[11:19])
	if err != nil {
		return 0, bad
	}
	rest, micros := s[19:], int64(0)
	if rest != "" && rest[0] == '.' {
		end := 1
		for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
			end++
		}
		if end == 1 {
			return 0, bad
		}
		for i := 1; i <= 6; i++ {
			micros *= 10
			if i < end {
				micros += int64(rest[i] - '0')
			}
		}
		rest = rest[end:]
	}
	offset, err := zone(rest)
	if err != nil {
		return 0, bad
	}
	return (t.Unix()-offset)*1e6 + micros, nil
}

// zone returns the seconds east of UTC of "", "Z", "+02:00" or "+0200".
func zone(s string) (int64, error) {
	if s == "" || s == "Z" || s == "z" || s == " UTC" {
		return 0, nil
	}
	for _, layout := range []string{"-07:00", "-0700", "-07"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, offset := t.Zone()
			return int64(offset), nil
		}
	}
	return 0, errNumber
}
