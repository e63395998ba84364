package capacity

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// windowsOf are windows of 10 s, one after another: a load each, those above broken bad.
func windowsOf(start int64, bad string, loads ...float64) (out []Point) {
	for i, load := range loads {
		at := time.Unix(start+int64(i)*10, 0).UTC()
		out = append(out, Point{Start: at, End: at.Add(10 * time.Second), Load: load, Good: bad[i] == '.'})
	}
	return out
}

func TestKnee(t *testing.T) {
	join := func(runs ...[]Point) (all []Point) {
		for _, r := range runs {
			all = append(all, r...)
		}
		return all
	}
	for _, c := range []struct {
		name   string
		points []Point
		want   *Knee
	}{
		{"nothing", nil, nil},
		{"never broke", windowsOf(0, "...", 1, 5, 9), nil},
		{"never good", windowsOf(0, "xxx", 1, 5, 9), nil},
		{"breaks between", windowsOf(0, "....x", 1, 5, 9, 2, 15), &Knee{12, 9, 15}},
		{"a queue makes quiet windows bad", windowsOf(0, "...xxx.", 1, 5, 2, 20, 1, 0.5, 1), &Knee{12.5, 5, 20}},
		{"the window before filled the queue", windowsOf(0, "..x.", 4, 18, 2, 3), &Knee{11, 4, 18}},
		{"a gap parts runs", join(windowsOf(0, "..", 4, 18), windowsOf(1000, "x.", 30, 3)), &Knee{24, 18, 30}},
		{"they overlap", join(windowsOf(0, "......", 2, 3, 4, 5, 12, 6), windowsOf(1000, ".x", 5, 10), windowsOf(2000, ".x", 5, 14)), &Knee{8, 8, 12}},
		{"most broke beyond the overlap", join(windowsOf(0, "..", 3, 6), windowsOf(1000, "x", 5), windowsOf(2000, "x", 10), windowsOf(3000, "x", 12)), &Knee{8, 5, 8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			switch got := FindKnee(c.points); {
			case (got == nil) != (c.want == nil):
				t.Errorf("%+v", got)
			case got != nil && *got != *c.want:
				t.Errorf("%+v, want %+v", *got, *c.want)
			case got != nil && (got.Load < got.Lo || got.Load > got.Hi):
				t.Errorf("%+v lies outside of its own interval", *got)
			}
		})
	}
}

func TestLine(t *testing.T) {
	var load, use, noise []float64
	for i := range 48 {
		v := float64(100 + i%24*10)
		load, use, noise = append(load, v), append(use, 12+0.2*v), append(noise, math.Mod(float64(i*i*7919), 50))
	}
	if l, ok := FitLine(load, use); !ok || math.Abs(l.Idle-12) > 1e-9 || math.Abs(l.Slope-0.2) > 1e-12 || l.Fit < 0.999999 {
		t.Errorf("%+v %v", l, ok)
	}
	if l, ok := FitLine(load, noise); ok {
		t.Errorf("noise is explained: %+v", l)
	}
	for name, c := range map[string][2][]float64{"a constant": {load, make([]float64, 48)}, "one load": {make([]float64, 48), use}, "few hours": {load[:23], use[:23]}, "none": {nil, nil}} {
		if _, ok := FitLine(c[0], c[1]); ok {
			t.Error(name)
		}
	}
}

func TestTrendAndExhaustion(t *testing.T) {
	weeks := make([]float64, 28)
	for i := range weeks {
		weeks[i] = 1000 + 10*float64(i) + 3*math.Sin(float64(i*i))
		if i%7 >= 5 {
			weeks[i] -= 400
		}
	}
	weeks[9] = 9000 // one odd day
	weeks[12] = math.NaN()
	tr, ok := FitTrend(weeks, 7)
	if !ok || math.Abs(tr.Slope-10) > 0.5 || tr.Lo > 10 || tr.Hi < 10 || tr.Lo < 5 || tr.Hi > 20 || math.Abs(tr.Level-1270) > 10 {
		t.Fatalf("%+v %v", tr, ok)
	}
	e := tr.Until(2000)
	if e == nil || math.Abs(e.Days-73) > 6 || e.Lo > e.Days || e.Hi < e.Days {
		t.Errorf("%+v", e)
	}
	if now := tr.Until(1000); now == nil || *now != (Exhaustion{}) {
		t.Errorf("beyond already: %+v", now)
	}
	if far := tr.Until(1e9); far != nil {
		t.Errorf("in a thousand centuries: %+v", far)
	}
	flat := make([]float64, 28)
	for i := range flat {
		flat[i] = 1000 + 50*math.Sin(float64(i*i))
	}
	if tr, ok := FitTrend(flat, 1); !ok || tr.Until(2000) != nil {
		t.Errorf("no growth: %+v %v", tr, tr.Until(2000))
	}
	if _, ok := FitTrend(flat[:13], 1); ok {
		t.Error("thirteen days are enough")
	}
}

// Of ten slots and an offered load of eight, 40.92 % wait (tables of Erlang C); one slot is M/M/1, where the share that waits is the load.
func TestErlangC(t *testing.T) {
	if share, wait, ok := WaitShare(10, 8); !ok || math.Abs(share-0.40918) > 1e-4 || math.Abs(wait-share/2) > 1e-12 {
		t.Errorf("%v %v %v", share, wait, ok)
	}
	if share, wait, ok := WaitShare(1, 0.6); !ok || math.Abs(share-0.6) > 1e-12 || math.Abs(wait-1.5) > 1e-12 {
		t.Errorf("M/M/1: %v %v %v", share, wait, ok)
	}
	for _, c := range []struct {
		slots int
		load  float64
	}{{0, 1}, {5, 5}, {5, math.NaN()}, {maxSlots + 1, 1}} {
		if _, _, ok := WaitShare(c.slots, c.load); ok {
			t.Errorf("%+v", c)
		}
	}
	load := SlotLoad(10, 0.05)
	if share, _, _ := WaitShare(10, load); math.Abs(share-0.05) > 1e-9 {
		t.Errorf("%v lets %v wait", load, share)
	}
}

func TestUSL(t *testing.T) {
	want := USL{Lambda: 40, Sigma: 0.05, Kappa: 0.002}
	var n, x []float64
	for _, m := range []float64{1, 2, 4, 8, 16} {
		n, x = append(n, m), append(x, want.Carries(m))
	}
	got, ok := FitUSL(n, x)
	if !ok || math.Abs(got.Lambda-40) > 1e-6 || math.Abs(got.Sigma-0.05) > 1e-9 || math.Abs(got.Kappa-0.002) > 1e-9 || math.Abs(got.Most()-math.Sqrt(0.95/0.002)) > 1e-5 {
		t.Errorf("%+v %v, most %v", got, ok, got.Most())
	}
	if _, ok := FitUSL(n[:2], x[:2]); ok {
		t.Error("two numbers of machines are enough")
	}
	if _, ok := FitUSL([]float64{1, 2, 3}, []float64{1, 0, 3}); ok {
		t.Error("machines that carry nothing")
	}
	if got.Fit < 1-1e-9 || !got.Believed() {
		t.Errorf("five points on the law: fit %v", got.Fit)
	}
	if u, ok := FitUSL([]float64{1, 2, 4}, []float64{10, 30, 90}); ok && u.Believed() {
		t.Errorf("machines that help each other: %+v", u)
	}
	if u, ok := FitUSL([]float64{1, 2, 4}, []float64{10, 20, 40}); !ok || u.Sigma > 1e-9 || u.Kappa > 1e-9 || u.Carries(8) < 79.99 || u.Fit != unchecked {
		t.Errorf("machines that do not meet: %+v %v", u, ok)
	}
	// A chance of a percent turns the coherency of a free fit below 0; the law without it stands.
	if u, ok := FitUSL([]float64{1, 2, 3, 4}, []float64{10, 18.9, 27.3, 35.6}); !ok || u.Kappa != 0 || u.Sigma < 0.02 || u.Sigma > 0.06 || !u.Believed() {
		t.Errorf("almost without coherency: %+v %v", u, ok)
	}
	if u, ok := FitUSL([]float64{1, 2, 3, 4, 5}, []float64{10, 4, 25, 12, 60}); ok && u.Believed() {
		t.Errorf("no law at all: %+v", u)
	}
}

// A need by a law is the least number that carries the demand, and its formula says so; where none does, it is what helps.
func TestNeedByALaw(t *testing.T) {
	law := &USL{Lambda: 40, Sigma: 0.05, Kappa: 0.002, Fit: 1}
	carried := 3600 * law.Carries(4)
	k := Objective("ttft_p95", Knee{Load: law.Carries(4), Lo: law.Carries(4), Hi: law.Carries(4)}, 1)
	p := Policy{Target: 0.7, Spare: 1, Band: 0.15}
	useful := law.Useful()
	if gain := law.Carries(float64(useful+1)) - law.Carries(float64(useful)); gain >= leastGain*law.Lambda || law.Carries(float64(useful))-law.Carries(float64(useful-1)) < leastGain*law.Lambda || float64(useful) > law.Most() {
		t.Errorf("%d are useful, the next adds %v", useful, gain)
	}
	for _, share := range []float64{0, 0.3, 0.69, 0.7, 0.71, 1, 1.2} {
		demand := share * carried
		n, ok := Machines(4, demand, []Constraint{k}, p, law)
		if !ok || n.Short || math.Abs(value(t, n.Formula, n.Inputs)-float64(n.Count)) > 1e-9 {
			t.Fatalf("%v: %+v", share, n)
		}
		enough := func(machines int, demand float64) bool {
			return 0.7*3600*law.Carries(float64(machines)) >= demand*(1-1e-12)
		}
		least := 1
		for least < 100 && !enough(least, demand) {
			least++
		}
		banded := 1
		for banded < 100 && !enough(banded, demand*1.15) {
			banded++
		}
		if want := max(least+1, min(4, banded+1)); n.Count != want {
			t.Errorf("%v: %d machines, want %d", share, n.Count, want)
		}
		if plain, _ := Machines(4, demand, []Constraint{k}, p, nil); share > 1 && plain.Count >= n.Count {
			t.Errorf("%v: contention asks for %d machines and none for %d", share, n.Count, plain.Count)
		}
	}
	n, ok := Machines(4, 10*carried, []Constraint{k}, p, law)
	if !ok || !n.Short || n.Count != useful+1 || value(t, n.Formula, n.Inputs) != float64(n.Count) {
		t.Errorf("more than any number carries: %+v", n)
	}
	// The demand just fits, but not with the band on top, whatever the number: none is given back.
	n, ok = Machines(useful+5, 0.69*3600*law.Carries(float64(useful)), []Constraint{Objective("x", Knee{Load: law.Carries(float64(useful + 5))}, 1)}, p, law)
	if !ok || n.Count != useful+5 || value(t, n.Formula, n.Inputs) != float64(n.Count) {
		t.Errorf("nearly all that any number carries: %d, %s", n.Count, n.Formula)
	}
}

// More machines than are useful are not given back while what they carry together is needed.
func TestNeedOfMoreThanUseful(t *testing.T) {
	p := Policy{Target: 0.7, Spare: 1, Band: 0.15}
	for _, c := range []struct {
		name         string
		sigma, kappa float64
		share        float64 // of what those that there are may be asked for
		want         int
		short        bool
	}{
		{"between useful and all", 0.1, 0, 0.95, 30, false},
		{"all of them", 0.1, 0, 1, 30, false},
		{"more than all", 0.1, 0, 1.1, 30, true},
		{"fewer beyond the band", 0.1, 0, 0.7, 16, false},
		{"so many that they are in each other's way", 0.05, 0.01, 2, 9, true},
	} {
		law := &USL{Lambda: 40, Sigma: c.sigma, Kappa: c.kappa, Fit: 1}
		k := Objective("ttft_p95", Knee{Load: law.Carries(30)}, 1)
		demand := c.share * 0.7 * k.Carries
		n, ok := Machines(30, demand, []Constraint{k}, p, law)
		if !ok || n.Count != c.want || n.Short != c.short || value(t, n.Formula, n.Inputs) != float64(n.Count) {
			t.Errorf("%s: %+v, want %d", c.name, n, c.want)
		}
		if least, enough := Count(30, demand, n.Limit, law); enough == c.short || enough && 0.7*3600*law.Carries(float64(least)) < demand*(1-1e-12) {
			t.Errorf("%s: %d are enough: %v", c.name, least, enough)
		}
	}
}

// value evaluates a formula over names: + - × ÷, ceil, min and max.
func value(t *testing.T, formula string, inputs map[string]float64) float64 {
	t.Helper()
	e, err := parser.ParseExpr(strings.NewReplacer("×", "*", "÷", "/").Replace(formula))
	if err != nil {
		t.Fatalf("%s: %v", formula, err)
	}
	var of func(ast.Expr) float64
	of = func(e ast.Expr) float64 {
		switch e := e.(type) {
		case *ast.ParenExpr:
			return of(e.X)
		case *ast.BasicLit:
			v, err := strconv.ParseFloat(e.Value, 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		case *ast.Ident:
			v, ok := inputs[e.Name]
			if !ok {
				t.Fatalf("%s is not among the inputs", e.Name)
			}
			return v
		case *ast.BinaryExpr:
			a, b := of(e.X), of(e.Y)
			return map[token.Token]float64{token.ADD: a + b, token.SUB: a - b, token.MUL: a * b, token.QUO: a / b}[e.Op]
		case *ast.CallExpr:
			switch e.Fun.(*ast.Ident).Name {
			case "ceil":
				return math.Ceil(of(e.Args[0]))
			case "min":
				return min(of(e.Args[0]), of(e.Args[1]))
			case "max":
				return max(of(e.Args[0]), of(e.Args[1]))
			}
		}
		t.Fatalf("%s: %T", formula, e)
		return 0
	}
	return of(e)
}

func TestNeed(t *testing.T) {
	usage := Usage("gpu_usage", Line{Idle: 10, Slope: 0.01, Fit: 0.9}, 100) // carries 9,000 an hour
	knee := Objective("ttft_p95", Knee{Load: 5, Lo: 4, Hi: 6}, 2)           // 5·3600/2 = 9,000
	slots := Slots(100, 30, 0.05)
	for _, c := range []Constraint{usage, knee, slots} {
		if got := value(t, c.Formula, c.Inputs); got != c.Carries {
			t.Errorf("%s: %s is %v, not %v", c.Name, c.Formula, got, c.Carries)
		}
	}
	if slots.Carries < 9000 || slots.Carries > 100*3600/30 {
		t.Errorf("slots carry %v", slots.Carries)
	}
	p := Policy{Target: 0.7, Spare: 1, Band: 0.15}
	for _, c := range []struct {
		name    string
		current int
		demand  float64
		want    int
	}{
		{"as many as there are", 3, 4000, 3},    // 1.905 → 2 and one spare
		{"more at once", 3, 7000, 5},            // 3.33 → 4 + 1
		{"the spare one too", 5, 5500, 6},       // 4.37 → 5 + 1
		{"not fewer within it", 8, 4900, 8},     // 6.22 → 7 + 1
		{"fewer beyond it", 8, 3000, 6},         // 3.81 → 4 + 1; with the band 4.38 → 5 + 1
		{"one machine alone", 1, 4000, 1},       // 0.63 → 1, none spare
		{"one machine is too few", 1, 13000, 3}, // 2.06 → 3
	} {
		n, ok := Machines(c.current, c.demand, []Constraint{knee, usage}, p, nil)
		if !ok || n.Count != c.want || value(t, n.Formula, n.Inputs) != float64(c.want) || n.Limit != 0.7*9000 {
			t.Errorf("%s: %d, want %d; %s is %v", c.name, n.Count, c.want, n.Formula, value(t, n.Formula, n.Inputs))
		}
	}
	for name, ok := range map[string]bool{
		"no constraint":      second(Machines(3, 100, nil, p, nil)),
		"no machine":         second(Machines(0, 100, []Constraint{usage}, p, nil)),
		"no demand is known": second(Machines(3, math.NaN(), []Constraint{usage}, p, nil)),
		"absurd":             second(Machines(3, 1e300, []Constraint{usage}, p, nil)),
		"carries nothing":    second(Machines(3, 100, []Constraint{{Name: "x", Carries: -5}}, p, nil)),
	} {
		if ok {
			t.Error(name)
		}
	}
}

func second(_ Need, ok bool) bool { return ok }
