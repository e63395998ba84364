package insight

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// Version is what users said of the answers of one version of a model; without a name it is those whose requests name none.
type Version struct {
	Model, Version string
	Scores
}

// ShownVersion is a Version for people, held against the other versions of its model.
type ShownVersion struct {
	Model   string   `json:"model"`
	Version string   `json:"version"`
	N       float64  `json:"judgements"`
	Mean    *float64 `json:"mean"`
	Lo      *float64 `json:"lo"`
	Hi      *float64 `json:"hi"`
	OthersN float64  `json:"judgements_of_other_versions"`
	Others  *float64 `json:"mean_of_other_versions"`
	PValue  *float64 `json:"p_value"` // of Welch's test that both are alike; null with fewer than 30 judgements of either
}

// named are the versions of models of which some request names one, by model and version.
func named(all []Version) []Version {
	has := map[string]bool{}
	for _, v := range all {
		has[v.Model] = has[v.Model] || v.Version != ""
	}
	var out []Version
	for _, v := range all {
		if has[v.Model] && v.N > 0 {
			out = append(out, v)
		}
	}
	sorting.By(out, func(a, b Version) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), strings.Compare(a.Version, b.Version))
	})
	return out
}

// others are the judgements of the other versions of the same model.
func (v *Version) others(all []Version) (o Scores) {
	for i := range all {
		if x := &all[i]; x.Model == v.Model && x.Version != v.Version {
			o.Merge(&x.Scores)
		}
	}
	return o
}

func (v *Version) words() string {
	if v.Version == "" {
		return v.Model + " without a version"
	}
	return v.Model + ", version " + v.Version
}

// Versions compares each version of a model with its others. Where there are two, both comparisons are the same one, which is made once.
func (r *Report) Versions(all []Version) {
	all = named(all)
	count, seen := map[string]int{}, map[string]int{}
	for _, v := range all {
		count[v.Model]++
	}
	for i := range all {
		v := &all[i]
		if seen[v.Model]++; count[v.Model] == 2 && seen[v.Model] == 1 {
			continue // the later one is told against it
		}
		rest := v.others(all)
		r.version(v, &rest)
	}
}

func (r *Report) version(v *Version, rest *Scores) {
	p, ok := welch(&v.Scores, rest)
	if !ok {
		return
	}
	difference := v.mean() - rest.mean()
	if -likingLeast < difference && difference < likingLeast {
		r.nothing(p)
		return
	}
	r.test(Finding{Kind: "satisfaction_by_version", Subject: map[string]string{"model": v.Model, "version": v.Version}, Metric: "satisfaction", Before: new(round(rest.mean())), After: new(round(v.mean())),
		Text:     fmt.Sprintf("Answers of %s are judged %s of 5, those of its other versions %s (%s and %s judgements).", v.words(), short(v.mean()), short(rest.mean()), short(v.N), short(rest.N)),
		Evidence: map[string]any{"mean": round(v.mean()), "mean_of_others": round(rest.mean()), "judgements": v.N, "judgements_of_others": rest.N, "difference": round(difference), "p_value": p}}, p)
}

// ShownVersions lists them.
func ShownVersions(all []Version) []ShownVersion {
	all = named(all)
	out := []ShownVersion{}
	for i := range all {
		v := &all[i]
		shown, rest := Shown([]Scores{v.Scores})[0], v.others(all)
		x := ShownVersion{Model: v.Model, Version: v.Version, N: v.N, Mean: shown.Mean, Lo: shown.Lo, Hi: shown.Hi, OthersN: rest.N, Others: Mean(rest.Sum, rest.N)}
		if p, ok := welch(&v.Scores, &rest); ok {
			x.PValue = &p
		}
		out = append(out, x)
	}
	return out
}
