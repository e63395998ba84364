package stream

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// board numbers the groups of a set over all lanes, each of which has numbers of its own, so that they are ranked without comparing
// names. It lives as long as the service.
type board struct {
	mu   sync.Mutex
	keys keys
}

func newBoard(s *set) *board { return &board{keys: newKeys(len(s.dims) == 2)} }

// numbers are those of a ladder's keys, by theirs.
func (b *board) numbers(l *ladder) []who {
	if len(l.board) < len(l.keys.names) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, v := range l.keys.names[len(l.board):] {
			l.board = append(l.board, b.keys.id(v))
		}
	}
	return l.board
}

// ranked is a group by its number on the board.
type ranked struct {
	group who
	size  size
}

// sizes are those of the groups of a set within a span, by their numbers on the board. It is quick for however many.
func (s *Service) sizes(set int, span Span) (by []size) {
	for _, l := range s.allLanes() {
		by = l.sizes(set, span, s.boards[set], by)
	}
	return by
}

// rank lists the groups of a kind that sizes tell of and a question lets through, in no order.
func (s *Service) rank(q *question, sizes []size, which who) []ranked {
	b := s.boards[q.set]
	b.mu.Lock()
	defer b.mu.Unlock()
	groups := make([]size, b.keys.groups(which))
	lets := q.lets(&s.sets[q.set])
	for id, x := range sizes {
		if x.events > 0 && lets(b.keys.names[id]) {
			groups[b.keys.part(who(id), which)].add(x)
		}
	}
	list := make([]ranked, 0, len(groups))
	for i, x := range groups {
		if x.events > 0 {
			list = append(list, ranked{who(i), x})
		}
	}
	return list
}

// sizes adds what each group has within a span to by, which is by the numbers on the board and grows as needed.
func (l *lane) sizes(set int, span Span, b *board, by []size) []size {
	l.mu.Lock()
	defer l.mu.Unlock()
	ladder := l.ladders[set]
	numbers := b.numbers(ladder)
	for _, n := range numbers {
		if int(n) >= len(by) {
			by = append(by, make([]size, int(n)+1-len(by))...)
		}
	}
	ladder.sizes(span.Start, span.End, func(w who, x size) { by[numbers[w]].add(x) })
	return by
}

// before tells whether a stands before b in an answer: it has more requests, else more events, else its values come first.
func (b *board) before(x, y ranked, which who) bool {
	if x.size != y.size {
		return cmp.Or(cmp.Compare(y.size.requests, x.size.requests), cmp.Compare(y.size.events, x.size.events)) < 0
	}
	v, w := b.keys.values(x.group, which), b.keys.values(y.group, which)
	return cmp.Or(cmp.Compare(v[0], w[0]), cmp.Compare(v[1], w[1])) < 0
}

// best are the first n of a list, in order. The list is left as a heap: what is not asked for is not sorted.
func (b *board) best(list []ranked, n int, which who) []ranked {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(list)/2 - 1; i >= 0; i-- {
		b.sink(list, i, which)
	}
	first := make([]ranked, 0, min(n, len(list)))
	for len(first) < cap(first) {
		first = append(first, list[0])
		last := len(list) - 1
		list[0] = list[last]
		list = list[:last]
		b.sink(list, 0, which)
	}
	return first
}

// sink moves the element at i down to where nothing below stands before it.
func (b *board) sink(list []ranked, i int, which who) {
	for {
		top := i
		for _, kid := range [...]int{2*i + 1, 2*i + 2} {
			if kid < len(list) && b.before(list[kid], list[top], which) {
				top = kid
			}
		}
		if top == i {
			return
		}
		list[i], list[top] = list[top], list[i]
		i = top
	}
}

// named is a group by its values, for all lanes alike.
type named struct {
	values values
	which  who
}

// names are the values of groups of one kind.
func (b *board) names(list []ranked, which who) []named {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]named, len(list))
	for i, r := range list {
		out[i] = named{b.keys.values(r.group, which), which}
	}
	return out
}

// cells are what groups of a set have within a span. They belong to the caller.
func (s *Service) cells(set int, span Span, groups ...named) []*agg.Cell {
	return s.merged(set, span, groups, len(groups), func(cells []*agg.Cell) []*agg.Cell { return cells })
}

// merged are n cells that groups of a set are merged into within a span; place lists, by group, the cell that it goes to. They belong to the caller.
func (s *Service) merged(set int, span Span, groups []named, n int, place func(cells []*agg.Cell) []*agg.Cell) []*agg.Cell {
	lanes := s.allLanes()
	of := make([][]*agg.Cell, len(lanes))
	var summing sync.WaitGroup
	for i, l := range lanes {
		of[i] = newCells(n)
		if into := place(of[i]); len(groups) < worthSharing {
			l.sum(set, span, groups, into)
		} else {
			summing.Go(func() { l.sum(set, span, groups, into) })
		}
	}
	summing.Wait()
	if len(lanes) == 0 {
		return newCells(n)
	}
	for _, more := range of[1:] {
		for i, c := range more {
			of[0][i].Merge(c)
		}
	}
	return of[0]
}

// worthSharing is how many groups are summed by as many processors as there are.
const worthSharing = 16

func newCells(n int) []*agg.Cell {
	cells := make([]*agg.Cell, n)
	for i := range cells {
		cells[i] = new(agg.Cell)
	}
	return cells
}

func (l *lane) sum(set int, span Span, groups []named, into []*agg.Cell) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ladder := l.ladders[set]
	known, cells := make([]who, 0, len(groups)), make([]*agg.Cell, 0, len(groups))
	for i, g := range groups {
		if w, is := ladder.keys.find(g.values, g.which); is {
			known, cells = append(known, w), append(cells, into[i])
		}
	}
	ladder.sums(span.Start, span.End, known, cells)
}

// keyed is a group with its numbers.
type keyed struct {
	values values
	cell   *agg.Cell
}

// overall is all that a question counts.
func (s *Service) overall(q *question, span Span) *agg.Cell {
	whole, _ := s.together(q, s.sums(q, span, nil), span)
	return whole
}

// page are the groups [offset, offset+limit) of a question, the busiest first, how many there are in all, and all that it
// counts. What names no value of a dimension is a group as well, so that they add up to the whole.
func (s *Service) page(q *question, span Span) (whole *agg.Cell, groups []keyed, all int) {
	if q.groupBy == nil {
		return s.overall(q, span), nil, 0
	}
	list, which, all := s.busiest(q, span)
	whole, groups = s.keyed(q, span, list, which)
	return whole, groups, all
}

// busiest ranks the groups of a question: [offset, offset+limit) of them, their kind, and how many there are in all.
func (s *Service) busiest(q *question, span Span) (page []ranked, which who, all int) {
	which = s.sets[q.set].which(q.apart())
	list := s.rank(q, s.sizes(q.set, span), which)
	first := s.boards[q.set].best(list, q.offset+q.limit, which)
	return first[min(q.offset, len(first)):], which, len(list)
}

// everyGroup are all groups of a question, in no order, and all that it counts; sizes are those of its set within the span.
func (s *Service) everyGroup(q *question, span Span, sizes []size) (whole *agg.Cell, groups []keyed) {
	which := s.sets[q.set].which(q.apart())
	return s.keyed(q, span, s.rank(q, sizes, which), which)
}

// keyed looks up what groups have, and all that a question counts.
func (s *Service) keyed(q *question, span Span, list []ranked, which who) (whole *agg.Cell, groups []keyed) {
	names := s.boards[q.set].names(list, which)
	whole, cells := s.together(q, s.sums(q, span, names), span)
	groups = make([]keyed, len(names))
	for i := range groups {
		groups[i] = keyed{names[i].values, cells[i]}
	}
	return whole, groups
}

// apart are the dimensions that tell the groups of a question apart, each once: those that it groups by, and those of its filters.
func (q *question) apart() []string { return eachOnce(q.groupBy, q.filter.names()) }

// needs are the dimensions that a question speaks of, each once.
func (q *question) needs() []string {
	return eachOnce(q.apart(), slices.Sorted(maps.Keys(q.without)))
}

func eachOnce(a, b []string) []string {
	a = slices.Clone(a)
	for _, name := range b {
		if !slices.Contains(a, name) {
			a = append(a, name)
		}
	}
	return a
}
