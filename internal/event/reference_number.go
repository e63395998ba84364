package event

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// bigScaled returns the number × 10^shift, halves rounded to even, and whether it is exact. Beyond ±10^400, where no limit
// lies, it returns just that.
func bigScaled(lit string, shift int) (n *big.Int, exact bool) {
	n, power := bigDecimal(lit)
	power += shift
	switch {
	case n.Sign() == 0:
		return n, true
	case power > 400:
		return n.Mul(n, bigPow10(400)), true
	case power >= 0:
		return n.Mul(n, bigPow10(power)), true
	case power < -2*maxNumber:
		return new(big.Int), false
	}
	unit := bigPow10(-power)
	quotient, rest := new(big.Int).QuoRem(n, unit, new(big.Int))
	exact = rest.Sign() == 0
	half := rest.Abs(rest).Lsh(rest, 1).Cmp(unit)
	if half > 0 || half == 0 && quotient.Bit(0) == 1 {
		quotient.Add(quotient, big.NewInt(int64(n.Sign())))
	}
	return quotient, exact
}

// bigDecimal splits a valid JSON number into an integer and a power of ten; exponents beyond ±10^6 are as good as those.
func bigDecimal(lit string) (n *big.Int, power int) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(lit), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	n, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		panic("event: not a JSON number: " + lit)
	}
	const far = 1e6
	if exponent != "" {
		p, err := strconv.ParseInt(exponent, 10, 64)
		switch {
		case err == nil:
			p = min(max(p, -far), far)
		case exponent[0] == '-':
			p = -far
		default:
			p = far
		}
		power = int(p)
	}
	return n, power - len(fraction)
}

func bigPow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

var rfc3339 = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// timestamp reads a string as RFC 3339 and a number as seconds since the epoch, above 1e11 as milliseconds.
func timestamp(raw json.RawMessage, at string) (int64, *Invalid) {
	bad := invalid(CodeTimestamp, at, fmt.Sprintf("%s is not a time from 1970 to 9999; give RFC 3339 like 2026-05-01T12:00:00Z, or seconds or milliseconds since the epoch", shorten(string(raw), 60)))
	switch {
	case isNumber(raw):
		if us, ok := epoch(string(raw)); ok {
			return us, nil
		}
		return 0, bad
	case raw[0] != '"':
		return 0, wrongType(at, "a string or a number", raw)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, bad
	}
	if us, ok := referenceTime(s); ok {
		return us, nil
	}
	return 0, bad
}

// referenceTime is ParseTime by the standard library.
func referenceTime(s string) (int64, bool) {
	parts := rfc3339.FindStringSubmatch(s)
	if parts == nil {
		return 0, false
	}
	micros := (strings.TrimPrefix(parts[1], ".") + "000000")[:6]
	t, err := time.Parse(time.RFC3339Nano, strings.ToUpper(s[:19]+"."+micros+parts[2]))
	if err != nil {
		return 0, false
	}
	us := t.UnixMicro()
	return us, us >= 0 && us < maxMicros
}

func epoch(lit string) (int64, bool) {
	if len(lit) > maxNumber {
		return 0, false
	}
	n, power := bigDecimal(lit)
	if n.Sign() == 0 {
		return 0, true
	}
	if n.Sign() < 0 || power > 20 {
		return 0, false
	}
	power += 6
	if seconds, exact := bigScaled(lit, 0); seconds.Cmp(big.NewInt(1e11)) > 0 || seconds.Cmp(big.NewInt(1e11)) == 0 && !exact && above(lit) {
		power -= 3
	}
	if power >= 0 {
		n.Mul(n, bigPow10(power))
	} else {
		n.Quo(n, bigPow10(min(-power, 2*maxNumber)))
	}
	return n.Int64(), n.Cmp(big.NewInt(maxMicros)) < 0
}

// above tells whether a number that rounds to 1e11 is above it.
func above(lit string) bool {
	n, power := bigDecimal(lit)
	return n.Cmp(new(big.Int).Mul(big.NewInt(1e11), bigPow10(-power))) > 0
}
