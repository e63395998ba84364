package forecast

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Real series, which are not part of the repository. The tests that want them are skipped where they are not.
const dataFolder = "../../../../shared/data"

func openData(t *testing.T, name string) io.Reader {
	t.Helper()
	f, err := os.Open(filepath.Join(dataFolder, name))
	if err != nil {
		t.Skip("no real series: ", err)
	}
	t.Cleanup(func() { f.Close() })
	if !strings.HasSuffix(name, ".gz") {
		return f
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func readCSV(t *testing.T, name string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(openData(t, name)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func numbers(t *testing.T, text string) (out []float64) {
	t.Helper()
	for field := range strings.FieldsSeq(text) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

// step is the mean absolute difference of values m apart, which MASE divides by.
func step(y []float64, m int) float64 { return meanError(y[m:], y[:len(y)-m]) }

func smape(actual, told []float64) float64 {
	sum := 0.0
	for i, v := range told {
		if size := math.Abs(actual[i]) + math.Abs(v); size > 0 {
			sum += 200 * math.Abs(actual[i]-v) / size
		}
	}
	return sum / float64(len(told))
}

// naive2 is the benchmark of the M4 competition: the last value, after a test and a multiplicative correction for the season.
func naive2(y []float64, h, m int) []float64 {
	n, center := len(y), mean(y)
	r := make([]float64, m+1)
	for k := range r {
		for i := range n - k {
			r[k] += (y[i] - center) * (y[i+k] - center)
		}
	}
	squares := 0.0
	for _, v := range r[1:m] {
		squares += v / r[0] * v / r[0]
	}
	if r[0] == 0 || math.Abs(r[m]/r[0]) <= 1.645*math.Sqrt((1+2*squares)/float64(n)) {
		return last(y, h)
	}
	figure, count := make([]float64, m), make([]float64, m)
	for t := m / 2; t < n-m/2; t++ {
		trend := ((y[t-m/2]+y[t+m/2])/2 + float64(m-1)*mean(y[t-m/2+1:t+m/2])) / float64(m)
		figure[t%m] += y[t] / trend
		count[t%m]++
	}
	for i := range figure {
		figure[i] /= count[i]
	}
	out := make([]float64, h)
	for i := range out {
		out[i] = y[n-1] / figure[(n-1)%m] * figure[(n+i)%m]
	}
	return out
}

// TestM4Hourly holds the goals on the development third of the hourly series of the M4 competition (48 steps): overall weighted average
// (Makridakis et al., International Journal of Forecasting 36, 2020) at most 0.40, and an interval that holds what it says.
func TestM4Hourly(t *testing.T) {
	rows := readCSV(t, "m4-hourly-dev.csv.gz")
	type score struct{ smape, mase, smape2, mase2, inside float64 }
	scores := make([]score, len(rows)/2)
	queue := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range queue {
				y, follow := numbers(t, rows[2*i][2]), numbers(t, rows[2*i+1][2])
				r, err := Series(y, Options{Horizon: 48, Seasons: []int{24, 168}, Interval: 0.95})
				if err != nil {
					t.Errorf("%s: %v", rows[2*i][0], err)
					continue
				}
				bench, unit := naive2(y, 48, 24), step(y, 24)
				s := score{smape: smape(follow, r.Forecast), mase: meanError(follow, r.Forecast) / unit, smape2: smape(follow, bench), mase2: meanError(follow, bench) / unit}
				for k, v := range follow {
					if r.Lo[k] <= v && v <= r.Hi[k] {
						s.inside += 1.0 / 48
					}
				}
				if b := r.Backtest; *b.MASE > *b.MASESeasonalNaive {
					t.Errorf("%s: %v is worse than seasonal naive, %v", rows[2*i][0], *b.MASE, *b.MASESeasonalNaive)
				}
				scores[i] = s
			}
		})
	}
	for i := range scores {
		queue <- i
	}
	close(queue)
	workers.Wait()
	var sum score
	for _, s := range scores {
		sum = score{sum.smape + s.smape, sum.mase + s.mase, sum.smape2 + s.smape2, sum.mase2 + s.mase2, sum.inside + s.inside}
	}
	owa, inside := (sum.smape/sum.smape2+sum.mase/sum.mase2)/2, sum.inside/float64(len(scores))
	t.Logf("%d series: sMAPE %.3f MASE %.3f OWA %.4f coverage %.4f", len(scores), sum.smape/float64(len(scores)), sum.mase/float64(len(scores)), owa, inside)
	if owa > 0.40 || inside < 0.93 || inside > 0.97 {
		t.Errorf("OWA %.4f, coverage %.4f", owa, inside)
	}
}

// requestRates are hourly counts of requests to real LLM services.
func requestRates(t *testing.T) map[string][]float64 {
	t.Helper()
	out := map[string][]float64{}
	for _, row := range readCSV(t, "rates/burstgpt_hourly_days0-27.csv") {
		for i, name := range []string{"conversation", "api", "all"} {
			out[name] = append(out[name], numbers(t, row[2+i])...)
		}
	}
	for i, row := range readCSV(t, "rates/servegen_m-small_total_10min.csv") {
		if i%6 == 0 {
			out["servegen"] = append(out["servegen"], 0)
		}
		out["servegen"][i/6] += 600 * numbers(t, row[1])[0]
	}
	return out
}

// TestRequestRates holds the goal on real request rates: a day ahead, each day anew, the geometric mean of the errors relative to those of
// seasonal naive is at most 0.82.
func TestRequestRates(t *testing.T) {
	logs, count := 0.0, 0.0
	for name, y := range requestRates(t) {
		ours, naive := 0.0, 0.0
		for o := max(72, min(672, len(y)/48*24)); o+24 <= len(y); o += 24 {
			r, err := Series(y[:o], Options{Horizon: 24, Seasons: []int{24, 168}, Interval: 0.95})
			if err != nil {
				t.Fatal(err)
			}
			unit := step(y[:o], 24)
			ours += meanError(y[o:], r.Forecast) / unit
			naive += meanError(y[o:], y[o-24:o]) / unit
		}
		t.Logf("%s: %.3f", name, ours/naive)
		logs, count = logs+math.Log(ours/naive), count+1
	}
	if ratio := math.Exp(logs / count); ratio > 0.82 {
		t.Errorf("%.3f of the error of seasonal naive", ratio)
	}
}
