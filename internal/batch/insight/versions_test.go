package insight

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// judge makes n judgements around a mean, of 1 to 5.
func judge(r *rand.Rand, n int, mean float64) (s Scores) {
	for range n {
		s.Add(min(5, max(1, float64(int(mean+r.NormFloat64()+0.5)))))
	}
	return s
}

// A version that users like less is named with its numbers, over many seeds; versions that are alike are not, nor are those that few judged.
func TestVersions(t *testing.T) {
	false_ := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 1))
		all := []Version{
			{"a", "v1", judge(r, 400, 4)}, {"a", "v2", judge(r, 300, 3.2)},
			{"b", "", judge(r, 300, 3.5)}, {"b", "v1", judge(r, 300, 3.5)}, {"b", "v2", judge(r, 250, 3.5)},
			{"c", "v1", judge(r, 20, 4.5)}, {"c", "v2", judge(r, 400, 2)},
			{"d", "", judge(r, 400, 1.5)},
		}
		rep := &Report{Start: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
		rep.Versions(all)
		found := rep.Findings()
		named := false
		for _, f := range found {
			if f.Subject["model"] != "a" {
				false_++
				t.Logf("seed %d: %s", seed, f.Text)
				continue
			}
			named = true
			if f.Kind != "satisfaction_by_version" || f.Subject["version"] != "v2" || *f.After >= *f.Before || f.Evidence["judgements"] != 300.0 || f.Evidence["judgements_of_others"] != 400.0 || !strings.Contains(f.Text, "a, version v2") {
				t.Errorf("seed %d: %+v", seed, f)
			}
		}
		if !named {
			t.Errorf("seed %d: the version that is worse is not named: %+v", seed, found)
		}
		shown := ShownVersions(all)
		if len(shown) != 7 { // of d no request names a version
			t.Fatalf("%+v", shown)
		}
		for _, v := range shown {
			if (v.PValue == nil) != (v.Model == "c") || *v.Lo > *v.Mean || *v.Mean > *v.Hi {
				t.Errorf("seed %d: %+v", seed, v)
			}
		}
		if shown[0].Version != "v1" || shown[0].N != 400 || shown[0].OthersN != 300 || *shown[0].PValue > 1e-6 {
			t.Errorf("seed %d: %+v", seed, shown[0])
		}
	}
	if false_ > 1 {
		t.Errorf("%d findings in 40 months are chance", false_)
	}
}
