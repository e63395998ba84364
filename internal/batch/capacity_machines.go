package batch

import (
	"maps"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// hoursOfMachines is how many of the last hours with samples tell which machines there are: one alone may lack the samples of some, and those of
// weeks ago tell of machines that are gone.
const hoursOfMachines = 3

// fleet is the machines that were measured in an hour.
type fleet struct {
	all     map[string]bool            // names
	byModel map[string]map[string]bool // of those whose samples name a model
}

func newFleet() fleet { return fleet{map[string]bool{}, map[string]map[string]bool{}} }

// add takes in a sample, whose texts are not kept.
func (f fleet) add(host, model string) {
	if !f.all[host] {
		f.all[strings.Clone(host)] = true
	}
	if model == "" || f.byModel[model][host] {
		return
	}
	if f.byModel[model] == nil {
		f.byModel[strings.Clone(model)] = map[string]bool{}
	}
	f.byModel[model][strings.Clone(host)] = true
}

func (sc *scanned) addMachines(f event.LakeFile, b *event.LakeBlock) {
	hosts, models := b.Field(event.Host), b.Field(event.Model)
	if _, ok := sc.machines[f.Hour]; !ok {
		sc.machines[f.Hour] = newFleet()
	}
	for i := range b.Rows {
		sc.machines[f.Hour].add(hosts.Text(i), models.Text(i))
	}
}

// most returns the largest count of the last hours with samples; 0 = none was measured.
func (sc *scanned) most(count func(fleet) int) (n int) {
	hours := slices.Sorted(maps.Keys(sc.machines))
	for _, hour := range hours[max(0, len(hours)-hoursOfMachines):] {
		n = max(n, count(sc.machines[hour]))
	}
	return n
}

// current returns how many machines there are.
func (sc *scanned) current() int { return sc.most(func(f fleet) int { return len(f.all) }) }

// named tells whether samples of machines ever named a model.
func (sc *scanned) named(model string) bool {
	for _, f := range sc.machines {
		if len(f.byModel[model]) > 0 {
			return true
		}
	}
	return false
}

// currentOf returns how many machines serve a model: those that name it, or all of them where none ever did. 0 = it had some and has none now, or nothing was
// measured.
func (sc *scanned) currentOf(model string) int {
	if sc.named(model) {
		return sc.most(func(f fleet) int { return len(f.byModel[model]) })
	}
	return sc.current()
}
