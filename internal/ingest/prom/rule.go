package prom

import (
	"maps"
	"slices"
)

// how a family becomes a number of an event.
type how uint8

const (
	byType     how = iota // a counter as rate, a gauge as value, a histogram as sum and count
	asValue               // as it is, a counter too
	asRate                // increase a second
	asIncrease            // since the reading before; of a histogram that of sum and count
	asSummary             // of a histogram: mean, p50, p95 and p99 of what was observed since the reading before
	asMean                // of a histogram or summary: the mean alone
	asPart                // one side of a ratio
)

// fold says how several series of one event become one number.
type fold uint8

const (
	byKind fold = iota // rates and increases add up, values are averaged
	sum
	mean
	highest
	lowest
)

// ratio is a percentage made of two families: 100 × part ÷ whole, summed over the series that have both.
type ratio struct {
	as string
	of func(a, b float64) (part, whole float64)
}

// rule says what becomes of one family.
type rule struct {
	as    string // name of the number: a field of the catalogue or one of its own; "" leaves the family out
	how   how
	fold  fold
	scale float64               // 0 = 1
	turn  func(float64) float64 // of the folded number, after scale
	only  func(*Sample) bool    // the series that count
	ratio *ratio                // with asPart
	side  int                   // of ratio: 0 or 1
	own   bool                  // nobody named it
}

// table maps families to rules. A family may have several.
type table map[string][]rule

// known are the tables of all producers. A family stands in one of them.
var known = join(vllm, engines, dcgm, node, litellm)

func join(tables ...table) table {
	all := table{}
	for _, t := range tables {
		for name, rules := range t {
			if all[name] != nil {
				panic("prom: two tables have " + name)
			}
			all[name] = rules
		}
	}
	return all
}

// also gives families further names.
func (t table) also(name string, others ...string) table {
	for _, o := range others {
		t[o] = t[name]
	}
	return t
}

// Families lists every family that a table knows, sorted; for documents and tests.
func Families() []string { return slices.Sorted(maps.Keys(known)) }

func value(as string, f fold) []rule { return []rule{{as: as, how: asValue, fold: f}} }
func rate(as string) []rule          { return []rule{{as: as, how: asRate, fold: sum}} }
func summary(as string) []rule       { return []rule{{as: as, how: asSummary, scale: 1000}} } // seconds → ms
func average(as string, scale float64) []rule {
	return []rule{{as: as, how: asMean, scale: scale}}
}
