package agg

// The dimensions by which periods are aggregated.
const (
	ByModel    = "model" // and the total, under AllModels
	ByTenant   = "tenant"
	ByEndpoint = "endpoint"
	ByUser     = "user_id"
)

// Dimensions lists all of them; each has rows and cells of its own.
var Dimensions = []string{ByModel, ByTenant, ByEndpoint, ByUser}

// Others is the value of a dimension that stands for all that were too many to keep apart, with exact totals.
const Others = "__other__"

// Group names one cell of a period: a value of a dimension.
type Group struct{ Dimension, Value string }

// Aggregate is what is stored of one period: rows for people, and encoded cells that can be merged on, for the same groups.
//
// Rows are listed by dimension; the Model of a row of another dimension holds that dimension's value.
type Aggregate struct {
	Rows  map[string][]Row
	Cells map[Group][]byte
	// Joined is of an hour that was folded from its events alone; nil = not known, and what is stored stays.
	Joined *Joined
}

// Joined is how many requests an hour has, and of how many of them its rows have feedback and a business event as well.
type Joined struct{ Requests, Complete int64 }

// Add adds what other rows have.
func (j *Joined) Add(o Joined) { j.Requests, j.Complete = j.Requests+o.Requests, j.Complete+o.Complete }

// Change is what storing an aggregate changed.
type Change struct {
	Rows, Cells int  // that differ from what was stored before, new and vanished ones included
	Overtaken   bool // nothing was stored: what is there was made from newer data
}

// Any tells whether a byte differs from before.
func (c Change) Any() bool { return c.Rows+c.Cells > 0 }

// StoredHour is everything that is stored of an hour, as of one moment.
type StoredHour struct {
	Hour  int64 // seconds since the epoch
	Build int64 // rises with every change of a cell
	Aggregate
}

// MergeCells merges two encoded cells.
func MergeCells(a, b []byte) ([]byte, error) {
	var sum, more Cell
	if _, err := sum.Decode(a); err != nil {
		return nil, err
	}
	if _, err := more.Decode(b); err != nil {
		return nil, err
	}
	sum.Merge(&more)
	return sum.Append(nil), nil
}
