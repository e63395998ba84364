package stream

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// duties are the partition numbers that this instance folds, as the group shares them out. While nobody shares them out all are its
// own: that two instances fold the same number costs work and changes nothing that counts.
type duties struct {
	mu      sync.Mutex
	all     bool
	mine    map[int32]bool
	held    map[int32]bool // numbers that a lane folds
	moves   map[int32]moves
	telling bool          // the judge writes decisions
	changed chan struct{} // closed and replaced with each change
}

// moves are how often a number came here from another instance, or went to one, since this one runs, and when last.
type moves struct {
	times int
	last  time.Time
}

func newDuties() *duties {
	return &duties{all: true, mine: map[int32]bool{}, held: map[int32]bool{}, moves: map[int32]moves{}, changed: make(chan struct{})}
}

// change lets f write, and tells whoever waits.
func (d *duties) change(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
	close(d.changed)
	d.changed = make(chan struct{})
}

// wants tells whether this instance is to fold a number, and gives a channel that is closed when that may have changed.
func (d *duties) wants(number int32) (mine bool, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all || d.mine[number], d.changed
}

// alone tells whether nobody shares the numbers out.
func (d *duties) alone() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all
}

// everything makes all numbers the instance's own, or none until some are given.
func (d *duties) everything(all bool) {
	d.change(func() { d.all, d.mine = all, map[int32]bool{} })
}

// give adds numbers. From then on nothing else is the instance's own.
func (d *duties) give(numbers []int32) {
	d.change(func() {
		d.all = false
		for _, n := range numbers {
			d.mine[n] = true
		}
	})
}

// take takes numbers away and waits until no lane folds them any more and nothing is told, or ctx ends.
func (d *duties) take(ctx context.Context, numbers []int32) {
	d.change(func() {
		for _, n := range numbers {
			delete(d.mine, n)
		}
	})
	for {
		d.mu.Lock()
		busy, changed := slices.ContainsFunc(numbers, func(n int32) bool { return d.held[n] || n == tellerNumber && d.telling }), d.changed
		d.mu.Unlock()
		if !busy {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// hold notes whether a lane folds a number.
func (d *duties) hold(number int32, held bool) {
	d.change(func() {
		if delete(d.held, number); held {
			d.held[number] = true
		}
	})
}

// move notes that a number came here or went from here.
func (d *duties) move(number int32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moves[number] = moves{d.moves[number].times + 1, time.Now()}
}

// moved tells how often a number moved.
func (d *duties) moved(number int32) moves {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.moves[number]
}

// tell notes whether the judge writes decisions.
func (d *duties) tell(telling bool) { d.change(func() { d.telling = telling }) }

// holds tells whether a lane folds a number.
func (d *duties) holds(number int32) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.held[number]
}

// holding lists the numbers that lanes fold.
func (d *duties) holding() []int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.held))
}
