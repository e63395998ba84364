package replay

import (
	"math/big"
	"testing"
)

func TestScaled(t *testing.T) {
	for _, c := range []struct {
		in     string
		places int
		how    rounding
		want   int64
	}{
		{"5", 6, floor, 5_000_000},
		{"19440110.0", 6, floor, 19440110_000_000},
		{"1.94401100e7", 6, floor, 19440110_000_000},
		{"0.0000019", 6, floor, 1},
		{"-0.0000019", 6, floor, -2},
		{"0.0000019", 6, nearest, 2},
		{"14592657.846643506", 9, nearest, 14592657846643506},
		{"0.0326206348836422", 9, nearest, 32620635},
		{"14716.823816299438", 6, nearest, 14716823816},
		{"63.0", 0, exactly, 63},
		{"0", 9, exactly, 0},
		{"-0.0", 9, exactly, 0},
		{"0.5", 0, nearest, 1},
		{"0.49999", 0, nearest, 0},
		{"5e-20", 6, nearest, 0},
		{"9e-1", 0, nearest, 1},
		{"1e3", 0, exactly, 1000},
		{".5", 1, exactly, 5},
		{"5.", 1, exactly, 50},
	} {
		got, err := number("x", c.in, c.places, c.how)
		if err != nil || got != c.want {
			t.Errorf("%s × 10^%d (%d) = %d, %v; want %d", c.in, c.places, c.how, got, err, c.want)
		}
	}
	for _, in := range []string{"", ".", "x", "1.2.3", "NaN", "inf", "0x10", "1_000", "1e", "1e9999", "--1", "9223372036854775808", "1e30", "ten", "1 "} {
		if got, err := number("x", in, 0, exactly); err == nil {
			t.Errorf("%q was taken as %d", in, got)
		}
	}
	if _, err := number("x", "1.5", 0, exactly); err == nil {
		t.Error("1.5 was taken as a whole number")
	}
}

// What number accepts is exactly the rational number rounded as asked.
func FuzzScaled(f *testing.F) {
	for _, s := range []string{"5", "-0.0000019", "14592657.846643506", "1.9e7", "5e-20", "0.5", "-2.5"} {
		f.Add(s, 6)
	}
	f.Fuzz(func(t *testing.T, s string, places int) {
		places = ((places % 10) + 10) % 10
		down, err := number("x", s, places, floor)
		if err != nil {
			return
		}
		near, err := number("x", s, places, nearest)
		if err != nil {
			t.Fatalf("floor takes %q, nearest does not: %v", s, err)
		}
		r, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q was taken as %d", s, down)
		}
		r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
		below := new(big.Rat).SetInt64(down)
		rest := new(big.Rat).Sub(r, below)
		if rest.Sign() < 0 || rest.Cmp(big.NewRat(1, 1)) >= 0 {
			t.Fatalf("floor of %s is %d", r, down)
		}
		rest.Sub(r, new(big.Rat).SetInt64(near))
		if rest.Abs(rest).Cmp(big.NewRat(1, 2)) > 0 {
			t.Fatalf("nearest of %s is %d", r, near)
		}
	})
}

func TestWallClock(t *testing.T) {
	for in, want := range map[string]int64{
		"2023-11-16 18:17:03.9799600":      1700158623_979960,
		"2023-11-16 18:17:03.9799609":      1700158623_979960,
		"2023-11-16 18:17:03":              1700158623_000000,
		"2023-11-16T18:17:03Z":             1700158623_000000,
		"2023-11-16T20:17:03.5+02:00":      1700158623_500000,
		"2024-05-10 00:00:00.009930+00:00": 1715299200_009930,
		"2026-04-20T11:44:54.855935+00:00": 1776685494_855935,
	} {
		if got, err := wallClock("t", in); err != nil || got != want {
			t.Errorf("%s = %d, %v; want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "yesterday", "2023-11-16", "2023-13-16 18:17:03", "2023-11-16 18:17:03.", "2023-11-16 18:17:03 later", "2023-02-30 00:00:00"} {
		if got, err := wallClock("t", in); err == nil {
			t.Errorf("%q was taken as %d", in, got)
		}
	}
}
