package stream

import "github.com/hxp-enterprise/hxp/internal/agg"

// spareCells are cells whose memory is used again: most of what a unit counts is merged into what is there, or kept as it is written. A
// nil pointer has none.
type spareCells []*agg.Cell

// mostSpare bounds them. A cell that had thousands of users in it keeps some ten kilobytes.
const mostSpare = 1000

// get returns an empty cell.
func (s *spareCells) get() *agg.Cell {
	if s == nil || len(*s) == 0 {
		return new(agg.Cell)
	}
	last := len(*s) - 1
	c := (*s)[last]
	*s = (*s)[:last]
	return c
}

// put takes a cell that nobody looks at any more.
func (s *spareCells) put(c *agg.Cell) {
	if len(*s) < mostSpare {
		c.Reset()
		*s = append(*s, c)
	}
}
