package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
)

func isNumber(raw []byte) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }

func wrongType(at, want string, raw []byte) *Invalid {
	got := "a number"
	switch bytes.TrimLeft(raw, " \t\r\n")[0] {
	case '{':
		got = "an object"
	case '[':
		got = "an array"
	case '"':
		got = "a string"
	case 't', 'f':
		got = "a boolean"
	case 'n':
		got = "null"
	}
	return invalid(CodeType, at, fmt.Sprintf("must be %s, not %s", want, got))
}

func text(raw json.RawMessage, at string, limit int) (string, *Invalid) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", wrongType(at, "a string", raw)
	}
	if len(s) > limit {
		return "", invalid(CodeSize, at, fmt.Sprintf("text of %d bytes; at most %d are taken", len(s), limit))
	}
	return s, nil
}

// number reads a float64 within the limits of s.
func number(raw json.RawMessage, s *Spec, at string) (float64, *Invalid) {
	if !isNumber(raw) {
		return 0, wrongType(at, "a number", raw)
	}
	if len(raw) > maxNumber {
		return 0, longNumber(at, raw)
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	switch {
	case n < 0 && s.Min >= 0:
		return 0, invalid(CodeNegative, at, fmt.Sprintf("%s is negative", quote(string(raw))))
	case err != nil || n < s.Min || n > s.Max:
		return 0, outOfRange(at, raw, s, 1)
	}
	return n + 0, nil // -0 becomes 0
}

// integer reads an exact integer in the unit that is held; scale brings an alias to the unit of the field's own name.
func integer(raw json.RawMessage, s *Spec, scale int64, at string) (int64, *Invalid) {
	if !isNumber(raw) {
		return 0, wrongType(at, "a number", raw)
	}
	if len(raw) > maxNumber {
		return 0, longNumber(at, raw)
	}
	shift := s.Type.digits() + len(strconv.FormatInt(scale, 10)) - 1
	n, exact := bigScaled(string(raw), shift)
	lo, hi := s.limits()
	switch {
	case s.Type == Integer && !exact:
		return 0, invalid(CodeType, at, fmt.Sprintf("must be a whole number, not %s", quote(string(raw))))
	case lo >= 0 && n.Sign() < 0:
		return 0, invalid(CodeNegative, at, fmt.Sprintf("%s is negative", quote(string(raw))))
	case n.Cmp(big.NewInt(lo)) < 0 || n.Cmp(big.NewInt(hi)) > 0:
		return 0, outOfRange(at, raw, s, scale)
	}
	return n.Int64(), nil
}

func longNumber(at string, raw []byte) *Invalid {
	return invalid(CodeRange, at, fmt.Sprintf("number of %d characters; at most %d are taken", len(raw), maxNumber))
}

func outOfRange(at string, raw []byte, s *Spec, scale int64) *Invalid {
	bound := func(x float64) string { return strconv.FormatFloat(x/float64(scale), 'g', -1, 64) }
	unit := ""
	if s.Unit != "" && scale == 1 {
		unit = " " + s.Unit
	}
	return invalid(CodeRange, at, fmt.Sprintf("%s is not between %s and %s%s", quote(string(raw)), bound(s.Min), bound(s.Max), unit))
}
