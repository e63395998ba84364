package cost

import (
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// Pico is an amount of money in 10⁻¹² USD.
type Pico int64

const (
	picosPerUSD  = 1_000_000_000_000
	picosPerNano = 1000
	maxRate      = picosPerUSD * 1000 // 1000 USD a token, or a request: more is a wrong unit
	maxLiteral   = 64                 // characters of a number
)

// exact reads a JSON number. A few characters can tell a number of millions of digits, so exponents are bounded before it is made.
func exact(literal string) (*big.Rat, error) {
	if len(literal) > maxLiteral {
		return nil, fmt.Errorf("a number of %d characters; at most %d are read", len(literal), maxLiteral)
	}
	if _, exp, _ := strings.Cut(strings.ToLower(literal), "e"); len(exp) > 4 {
		return nil, fmt.Errorf("%s is out of range", literal)
	}
	r, ok := new(big.Rat).SetString(literal)
	if !ok {
		return nil, fmt.Errorf("%q is not a number", literal)
	}
	return r, nil
}

// parsePico reads a JSON number of dollars. What is finer than a pico-dollar is rounded, halves to even.
func parsePico(literal string) (Pico, error) {
	r, err := exact(literal)
	switch {
	case err != nil:
		return 0, err
	case r.Sign() < 0:
		return 0, fmt.Errorf("%s is negative; a price is 0 or more", literal)
	}
	r.Mul(r, big.NewRat(picosPerUSD, 1))
	if r.Cmp(big.NewRat(maxRate, 1)) > 0 {
		return 0, fmt.Errorf("%s USD is more than %d USD; prices are for one token, not for a thousand or a million", literal, maxRate/picosPerUSD)
	}
	n := halfEven(r)
	if n == 0 && r.Sign() > 0 {
		return 0, fmt.Errorf("%s USD is less than half of 10⁻¹² USD, the finest price that is held", literal)
	}
	return Pico(n), nil
}

// halfEven rounds a number that is not negative and fits.
func halfEven(r *big.Rat) int64 {
	q, rest := new(big.Int).QuoRem(r.Num(), r.Denom(), new(big.Int))
	n := q.Int64()
	switch rest.Lsh(rest, 1).Cmp(r.Denom()) {
	case 1:
		return n + 1
	case 0:
		return n + n&1
	}
	return n
}

// String is the amount as a decimal number of dollars without needless zeros.
func (p Pico) String() string {
	whole, part := strconv.FormatInt(int64(p)/picosPerUSD, 10), int64(p)%picosPerUSD
	if part == 0 {
		return whole
	}
	return whole + "." + strings.TrimRight(strconv.FormatInt(part+picosPerUSD, 10)[1:], "0")
}

// MarshalJSON writes the dollars.
func (p Pico) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }

// sum adds products of tokens and prices without losing a bit.
type sum struct{ hi, lo uint64 }

func (s *sum) add(tokens int64, price Pico) {
	hi, lo := bits.Mul64(uint64(tokens), uint64(price))
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}

// nano rounds to whole nano-USD, halves to even; ok is false for more than most.
func (s *sum) nano(most int64) (n int64, ok bool) {
	if s.hi >= picosPerNano { // the quotient would not fit
		return 0, false
	}
	q, rest := bits.Div64(s.hi, s.lo, picosPerNano)
	if rest > picosPerNano/2 || rest == picosPerNano/2 && q&1 == 1 {
		q++
	}
	if q > uint64(most) {
		return 0, false
	}
	return int64(q), true
}
