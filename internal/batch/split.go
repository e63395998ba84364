package batch

import "github.com/hxp-enterprise/hxp/internal/event"

// split sorts rows by the group of a text that each has: the rows of one group are then added to one cell in one go, which
// keeps the cell in the processor's cache. The group of a word of a dictionary is asked for once.
type split struct {
	groups []int32 // by row that was given
	ofWord []int32 // by number in the dictionary; -1 = not asked yet
	ends   []int32 // by group: the end of its stretch of sorted
	sorted []int32
}

// by sorts rows by the text in a column. groupOf numbers the groups from 0.
func (s *split) by(v *event.LakeVector, rows []int32, groupOf func(text string) (int32, error)) error {
	if err := s.number(v, rows, groupOf); err != nil {
		return err
	}
	s.ends = s.ends[:0]
	for _, g := range s.groups {
		for int(g) >= len(s.ends) {
			s.ends = append(s.ends, 0)
		}
		s.ends[g]++
	}
	s.sort(rows)
	return nil
}

// number finds the group of each row by the text in a column.
func (s *split) number(v *event.LakeVector, rows []int32, groupOf func(text string) (int32, error)) (err error) {
	s.groups, s.ofWord = s.groups[:0], s.ofWord[:0]
	if len(v.Index) > 0 {
		for range v.Words {
			s.ofWord = append(s.ofWord, -1)
		}
	}
	none, before, last := int32(-1), "", int32(-1)
	for _, row := range rows {
		g := int32(-1)
		switch i := int(row); {
		case !v.Has(i):
			if none < 0 {
				if none, err = groupOf(""); err != nil {
					return err
				}
			}
			g = none
		case len(v.Index) > 0:
			at := &s.ofWord[v.Index[i]]
			if *at < 0 {
				if *at, err = groupOf(v.Words[v.Index[i]]); err != nil {
					return err
				}
			}
			g = *at
		default: // no dictionary: neighbours often have the same
			if text := v.Words[i]; last < 0 || text != before {
				if last, err = groupOf(text); err != nil {
					return err
				}
				before = text
			}
			g = last
		}
		s.groups = append(s.groups, g)
	}
	return nil
}

// sort puts the rows into stretches, one for each group.
func (s *split) sort(rows []int32) {
	sum := int32(0)
	for g, n := range s.ends { // ends are the starts for now
		s.ends[g], sum = sum, sum+n
	}
	if cap(s.sorted) < len(rows) {
		s.sorted = make([]int32, len(rows))
	}
	s.sorted = s.sorted[:len(rows)]
	for i, g := range s.groups {
		s.sorted[s.ends[g]] = rows[i]
		s.ends[g]++
	}
}

// rows returns the rows of a group, in their order.
func (s *split) rows(group int) []int32 {
	if group >= len(s.ends) {
		return nil
	}
	start := int32(0)
	if group > 0 {
		start = s.ends[group-1]
	}
	return s.sorted[start:s.ends[group]]
}
