package chain

import (
	"fmt"
	"slices"

	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Flaw is a place at which a log is not as it was written.
type Flaw struct {
	Offset int64  `json:"offset"`
	Detail string `json:"detail"`
}

// Proof is what following a whole log found.
type Proof struct {
	Valid   bool    `json:"valid"`
	Records int     `json:"records"` // that are chained
	Head    *string `json:"head"`    // hash of the last one; keep it elsewhere to notice a log that was cut or replaced
	Late    int     `json:"late"`    // records of writers that another one outran; they do not count
	Faults  []Flaw  `json:"faults"`  // the first 100 places at which the log is not as it was written
}

// The memory of a Chain.
const (
	maxFaults = 100
	maxHashes = 4096    // of records, by which one that came too late is known
	maxPassed = 100_000 // offsets of records that do not count
	maxDetail = 1000
)

// Chain follows a log. Its zero value has seen nothing.
type Chain struct {
	head    string
	records int
	hashes  map[string]bool
	recent  []string // ring of what is in hashes
	races   []int64  // offsets of records that came too late
	strange []int64  // offsets of what cannot be read
	faults  []Flaw
	faulty  int // all faults, also those that are not kept
}

// Verdict is what becomes of a record.
type Verdict int

// The verdicts.
const (
	Counts   Verdict = iota
	Late             // another one was chained to the same record before it; its writer knows that it does not count
	Broken           // it counts, and what was written before it is missing or was changed
	NoRecord         // it cannot be read, or was changed
)

// Take takes the next record of the log, with the hashes that it has; err says why it cannot be read.
func (c *Chain) Take(offset int64, prev, hash string, err error) (v Verdict, fault string) {
	switch {
	case err != nil:
		fault = "this is no record, or it was changed: " + err.Error()
		c.fault(offset, fault)
		c.strange = most(c.strange, offset)
		return NoRecord, fault
	case prev != c.head && (c.hashes[prev] || c.hashes[hash] || prev == "" && c.records < maxHashes):
		c.races = most(c.races, offset)
		return Late, ""
	case prev != c.head:
		v, fault = Broken, fmt.Sprintf("what was written before it is missing or was changed: it follows %q, but the chain ends in %q", prev, c.head)
		c.fault(offset, fault)
	}
	c.extend(hash)
	return v, fault
}

// most notes an offset, as long as there are not too many.
func most(list []int64, offset int64) []int64 {
	if len(list) >= maxPassed {
		return list
	}
	return append(list, offset)
}

func (c *Chain) fault(offset int64, detail string) {
	c.faulty++
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, Flaw{offset, clip(detail)})
	}
}

func (c *Chain) extend(hash string) {
	c.head = hash
	c.records++
	if c.hashes == nil {
		c.hashes = map[string]bool{}
	}
	c.hashes[hash] = true
	if len(c.recent) < maxHashes {
		c.recent = append(c.recent, hash)
		return
	}
	i := (c.records - 1) % maxHashes
	delete(c.hashes, c.recent[i])
	c.recent[i] = hash
}

// Head is the hash of the record that counted last, "" when there is none.
func (c *Chain) Head() string { return c.head }

// Records is how many records count.
func (c *Chain) Records() int { return c.records }

// Late is how many records came too late.
func (c *Chain) Late() int { return len(c.races) }

// Passed are the offsets of records that do not count, in order: they came too late, or are no records.
func (c *Chain) Passed() []int64 {
	out := slices.Concat(c.races, c.strange)
	slices.Sort(out)
	return out
}

// Proof says what was found so far.
func (c *Chain) Proof() Proof {
	p := Proof{Valid: c.faulty == 0, Records: c.records, Late: len(c.races), Faults: append([]Flaw{}, c.faults...)}
	if c.head != "" {
		p.Head = &c.head
	}
	return p
}

// Faults are places at which the log was changed, the first of them, and how many there are.
func (c *Chain) Faults() ([]Flaw, int) { return c.faults, c.faulty }

// Has tells whether the record with this hash counts, if it is not long ago.
func (c *Chain) Has(hash string) bool { return c.hashes[hash] }

// clip keeps texts short, at the edge of a character.
func clip(s string) string { return words.Clip(s, maxDetail) }
