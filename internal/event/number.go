package event

import (
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// Powers of ten that bring the JSON unit of a type to the unit that is held.
const (
	durationDigits = 6 // ms → ns
	moneyDigits    = 9 // USD → nano-USD
)

// digits tells how many decimal digits behind the JSON unit a type holds.
func (t Type) digits() int {
	switch t {
	case Duration:
		return durationDigits
	case Money:
		return moneyDigits
	}
	return 0
}

// limits returns the smallest and largest value of an Integer, Duration or Money field in the unit that is held.
func (s *Spec) limits() (lo, hi int64) {
	unit := float64(pow10[s.Type.digits()])
	return int64(s.Min * unit), int64(s.Max * unit)
}

var pow10 = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19}

var pow10f = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// decimal is a JSON number: ±mant × 10^exp.
type decimal struct {
	mant uint64
	exp  int
	neg  bool
}

// readDecimal reads a valid JSON number of at most 18 significant digits and a small exponent, which are all that occur in
// earnest; ok is false for others.
func readDecimal(lit []byte) (d decimal, ok bool) {
	i := 0
	if lit[0] == '-' {
		d.neg = true
		i = 1
	}
	if len(lit)-i > 18 {
		return d, false
	}
	for ; i < len(lit); i++ {
		c := lit[i] - '0'
		if c > 9 {
			break
		}
		d.mant = d.mant*10 + uint64(c)
	}
	if i == len(lit) {
		return d, true
	}
	if lit[i] == '.' {
		i++
		first := i
		for ; i < len(lit); i++ {
			c := lit[i] - '0'
			if c > 9 {
				break
			}
			d.mant = d.mant*10 + uint64(c)
		}
		d.exp = first - i
	}
	if i == len(lit) {
		return d, true
	}
	i++ // e or E
	negative := lit[i] == '-'
	if negative || lit[i] == '+' {
		i++
	}
	if len(lit)-i > 3 {
		return d, false
	}
	exp := 0
	for ; i < len(lit); i++ {
		exp = exp*10 + int(lit[i]-'0')
	}
	if negative {
		exp = -exp
	}
	d.exp += exp
	return d, true
}

// scaled returns d × 10^shift as an integer, halves rounded to even; exact tells whether nothing was rounded. ok is false
// when it does not fit.
func (d decimal) scaled(shift int) (v int64, exact, ok bool) {
	exp := d.exp + shift
	m := d.mant
	exact = true
	switch {
	case m == 0:
		return 0, true, true
	case exp > 18:
		return 0, false, false
	case exp > 0:
		hi, lo := bits.Mul64(m, pow10[exp])
		if hi != 0 {
			return 0, false, false
		}
		m = lo
	case exp < -18: // mant < 10^18, so it is less than a half
		return 0, false, true
	case exp < 0:
		unit := pow10[-exp]
		q, r := m/unit, m%unit
		exact = r == 0
		if r > unit-r || r == unit-r && q&1 == 1 {
			q++
		}
		m = q
	}
	if m > math.MaxInt64 {
		return 0, false, false
	}
	if d.neg {
		return -int64(m), exact, true
	}
	return int64(m), exact, true
}

// readFloat reads a valid JSON number as the nearest float64; -0 becomes 0. ok is false when it is too large.
func readFloat(lit []byte) (float64, bool) {
	d, ok := readDecimal(lit)
	if ok && d.mant < 1<<53 && d.exp >= -22 && d.exp <= 22 { // both exact, so one rounding gives the nearest
		f := float64(d.mant)
		if d.exp < 0 {
			f /= pow10f[-d.exp]
		} else {
			f *= pow10f[d.exp]
		}
		if d.neg {
			f = -f
		}
		return f + 0, true
	}
	f, err := strconv.ParseFloat(unsafe.String(&lit[0], len(lit)), 64)
	return f + 0, err == nil
}

// epochMicros reads a number as a time: milliseconds above 1e11, seconds else; digits beyond the microsecond are cut off.
func (d decimal) epochMicros() (int64, bool) {
	if d.neg && d.mant != 0 {
		return 0, false
	}
	const border = 1e11
	micros := func(shift int) (int64, bool) {
		exp := d.exp + shift
		switch {
		case d.mant == 0 || exp < -18:
			return 0, true
		case exp <= 0:
			return int64(d.mant / pow10[-exp]), true
		case exp > 18 || d.mant > math.MaxInt64/pow10[exp]:
			return 0, false
		}
		return int64(d.mant * pow10[exp]), true
	}
	us, ok := micros(6)
	if ok && (us < border*1e6 || us == border*1e6 && d.isBorder()) {
		return us, true
	}
	us, ok = micros(3)
	return us, ok && us < maxMicros
}

// isBorder tells whether a number whose seconds begin with 1e11 is exactly that.
func (d decimal) isBorder() bool {
	v, exact, ok := d.scaled(0)
	return ok && exact && v == 1e11
}

// appendScaled writes v × 10^-digits in the shortest exact form ("100.5").
func appendScaled(dst []byte, v int64, digits int) []byte {
	u := uint64(v)
	if v < 0 {
		dst = append(dst, '-')
		u = -u
	}
	unit := pow10[digits]
	dst = strconv.AppendUint(dst, u/unit, 10)
	return appendFraction(dst, u%unit, digits)
}

// appendFraction writes "." and the digits of v/10^digits without trailing zeros, nothing when v is 0.
func appendFraction(dst []byte, v uint64, digits int) []byte {
	if v == 0 {
		return dst
	}
	for v%10 == 0 {
		v /= 10
		digits--
	}
	dst = append(dst, '.')
	start := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := start + digits - 1; v > 0; i-- {
		dst[i] = byte('0' + v%10)
		v /= 10
	}
	return dst
}

// appendFloat writes the shortest decimal that reads back as f, in the style of encoding/json.
func appendFloat(dst []byte, f float64) []byte {
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}
