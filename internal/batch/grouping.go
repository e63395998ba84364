package batch

import (
	"errors"
	"math"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// grouping numbers the values of one dimension that a reader meets.
type grouping struct {
	dimension string
	always    bool            // rows without a value are folded as well: they are part of the total
	whole     bool            // values have whole cells
	most      int             // values that are followed; more are errTooMany
	allowed   map[string]bool // values that are kept apart, the others are agg.Others; nil = all
	values    []value
	numbers   map[string]int32 // by name, "" = none
}

// dimensionOf is the dimension of a number of cellFields.
func dimensionOf(i int) string { return event.Catalogue[cellFields[i]].Name }

type value struct {
	name   string
	events int64
	cell   *agg.Cell // nil when there is nothing to fold
}

// errTooMany says that an hour has more values of a dimension than are followed: count them, then follow the busiest alone.
var errTooMany = errors.New("the hour has too many values of a dimension")

// trackedUsers is how many users of an hour a reader follows at a time; each takes about 200 bytes.
const trackedUsers = 100_000

func (w *work) newGrouping(f event.Field, countOnly bool) *grouping {
	g := &grouping{dimension: event.Catalogue[f].Name, numbers: map[string]int32{}}
	g.always = g.dimension == agg.ByModel
	g.whole = g.dimension != agg.ByUser && !countOnly
	g.allowed = w.allowed[g.dimension]
	if g.most = w.limits[g.dimension]; g.dimension == agg.ByUser {
		g.most = w.users
	}
	if countOnly || w.allowed != nil { // the choice is made, or is being made
		g.most = math.MaxInt
	}
	return g
}

// number returns the number of the value that rows with a text count under.
func (g *grouping) number(text string) (int32, error) {
	switch {
	case text == agg.AllModels: // nobody can put himself in place of the total
		text = ""
	case text != "" && g.allowed != nil && !g.allowed[text]:
		text = agg.Others
	}
	if n, ok := g.numbers[text]; ok {
		return n, nil
	}
	if len(g.values) > g.most {
		return 0, errTooMany
	}
	v := value{name: strings.Clone(text)}
	if g.whole && (text != "" || g.always) {
		v.cell = new(agg.Cell)
	}
	n := int32(len(g.values))
	g.values, g.numbers[v.name] = append(g.values, v), n
	return n, nil
}
