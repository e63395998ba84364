package anomaly

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// daily is a noisy day and night, five minutes a step.
func daily(rnd *rand.Rand, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 100 + 60*math.Sin(2*math.Pi*float64(i%288)/288) + 4*rnd.NormFloat64()
	}
	return out
}

func scores(values []float64) []float64 {
	var d Detector
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = d.Step(v)
	}
	return out
}

func TestNoLookAhead(t *testing.T) {
	values := daily(rand.New(rand.NewPCG(1, 2)), 1500)
	values[900] = 1e6 // scales are made anew
	whole := scores(values)
	for _, n := range []int{1, 300, 899, 901, 1400} {
		for i, s := range scores(values[:n]) {
			if s != whole[i] {
				t.Fatalf("value %d scores %v in a part of %d and %v in the whole", i, s, n, whole[i])
			}
		}
	}
}

func TestFaultsAreFound(t *testing.T) {
	faults := map[string]func([]float64){
		"step":    func(v []float64) { add(v[2000:], 150) },
		"spike":   func(v []float64) { v[2000] += 400 },
		"silence": func(v []float64) { clear(v[2000:2050]) },
		"drop":    func(v []float64) { add(v[2000:2100], -150) },
	}
	for name, inject := range faults {
		t.Run(name, func(t *testing.T) {
			values := daily(rand.New(rand.NewPCG(3, 4)), 2400)
			inject(values)
			s := scores(values)
			first := -1
			for i := 2000; i < 2012 && first < 0; i++ {
				if s[i] >= alarming {
					first = i
				}
			}
			if first < 0 {
				t.Errorf("not seen within twelve values: %.2f", s[2000:2012])
			}
			early := 0
			for _, x := range s[600:2000] {
				if x >= alarming {
					early++
				}
			}
			if early > 6 {
				t.Errorf("%d alarms in 1,400 ordinary values", early)
			}
		})
	}
}

func add(v []float64, d float64) {
	for i := range v {
		v[i] += d
	}
}

func TestScoresAreBounded(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var d Detector
	odd := []float64{0, -0, 1e308, -1e308, 1e-308, math.MaxFloat64, -math.MaxFloat64, 5}
	for i := range 20_000 {
		v := rnd.ExpFloat64()
		if i%997 == 0 {
			v = odd[i/997%len(odd)]
		}
		if s := d.Step(v); !(s >= 0 && s <= 1) {
			t.Fatalf("value %d, %v: score %v", i, v, s)
		}
		if n := d.contexts.size(); n > maxContexts+1000 {
			t.Fatalf("%d contexts", n)
		}
	}
}

func TestAConstantIsNoSurprise(t *testing.T) {
	for i, s := range scores(make([]float64, 1000))[10:] {
		if s >= alarming {
			t.Fatalf("value %d: %v", i+10, s)
		}
	}
}

func TestScoreTable(t *testing.T) {
	var out bytes.Buffer
	in := "timestamp,value\r\n2020-01-01 00:00:00,1\r\n2020-01-01T00:05:00Z,1.50\n1577837400,-3e2\n"
	if err := Score("x.csv", strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 || lines[0] != "timestamp,value,anomaly_score" || !strings.HasPrefix(lines[2], "2020-01-01T00:05:00Z,1.50,0.") && !strings.HasPrefix(lines[2], "2020-01-01T00:05:00Z,1.50,1.") {
		t.Errorf("%q", lines)
	}
	for in, want := range map[string]string{
		"":                                                   "x.csv:1: the table is empty",
		"time,value\n":                                       "x.csv:1: the header",
		"timestamp,value\n2020-01-01,1\na,2\n":               "x.csv:3: timestamp",
		"timestamp,value\n2020-01-01,oops\n":                 "x.csv:2: value",
		"timestamp,value\n2020-01-01,NaN\n":                  "x.csv:2: value",
		"timestamp,value\n2020-01-01,1,2\n":                  "x.csv:2: a row has two cells",
		"timestamp,value\n2020-01-01,1\n\nx\n":               "x.csv:4: a row has two cells",
		"timestamp,value\n" + strings.Repeat("1", maxLine+1): "x.csv: ",
	} {
		if err := Score("x.csv", strings.NewReader(in), &out); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", in, err, want)
		}
	}
}

func FuzzScore(f *testing.F) {
	f.Add([]byte("timestamp,value\n2020-01-01,1\n2020-01-02,2\n"))
	f.Add([]byte("timestamp,value\n1,1e308\n2,-1e308\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		if err := Score("x", bytes.NewReader(in), &out); err == nil && out.Len() == 0 {
			t.Error("nothing written")
		}
	})
}

func BenchmarkStep(b *testing.B) {
	values := daily(rand.New(rand.NewPCG(7, 8)), 20_000)
	for _, warm := range []int{500, 5000} {
		b.Run(fmt.Sprint("after ", warm), func(b *testing.B) {
			var d Detector
			for _, v := range values[:warm] {
				d.Step(v)
			}
			i := warm
			for b.Loop() {
				d.Step(values[i%len(values)])
				i++
			}
		})
	}
}
