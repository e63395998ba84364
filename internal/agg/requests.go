package agg

import (
	"math/bits"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Requests are the llm_request rows of a block, prepared for adding to cells: what does not depend on the cell (the bin of a
// duration, the hash of a user, whether it is late) is worked out once for each row, or once for each word of a dictionary,
// however many cells the row goes to. It keeps its memory from one Prepare to the next.
type Requests struct {
	late    []bool
	outcome []outcome

	latency, ttft, tpot       timing
	prompt, completion, total *event.LakeVector
	cached, reasoning, cost   *event.LakeVector
	users, sessions           hashes
}

// outcome of a request.
type outcome uint8

const (
	unknown outcome = iota
	failed
	succeeded
	outcomes
)

// timing holds the durations of one measure.
type timing struct {
	none bool    // no row is counted
	bins []int16 // bin of a sketch, or what follows
	ns   []int64
}

const (
	binOfZero  = -1
	notCounted = -2
)

// hashes are the texts of a column as Distinct counts them; 0 is nobody.
type hashes struct {
	none bool
	rows []uint64
	word []uint64 // scratch: by number in the dictionary
}

// RequestColumns are the columns that Prepare reads.
var RequestColumns = event.ColumnsOf(event.LakeTime, event.LakeIngested) | event.FieldsOf(event.Success, event.DurationMS, event.TTFT, event.TPOT,
	event.PromptTokens, event.CompletionTokens, event.TotalTokens, event.CachedTokens, event.ReasoningTokens, event.Cost, event.UserID, event.SessionID)

// Prepare takes the rows of b, which must not change until they are added. A row is late when it was taken in more than
// lateness after its own time.
func (q *Requests) Prepare(b *event.LakeBlock, lateness time.Duration) {
	q.late = resize(q.late, b.Rows)
	taken, own := b.Column(event.LakeIngested), b.Column(event.LakeTime)
	for i := range q.late {
		q.late[i] = taken.Int(i)-own.Int(i) > lateness.Microseconds()
	}
	q.outcome = resize(q.outcome, b.Rows)
	success := b.Field(event.Success)
	for i := range q.outcome {
		switch {
		case !success.Has(i):
			q.outcome[i] = unknown
		case success.Ints[i] == 0:
			q.outcome[i] = failed
		default:
			q.outcome[i] = succeeded
		}
	}
	q.latency.prepare(b.Field(event.DurationMS), q.outcome)
	q.ttft.prepare(b.Field(event.TTFT), q.outcome)
	q.tpot.prepare(b.Field(event.TPOT), q.outcome)
	q.prompt, q.completion, q.total = b.Field(event.PromptTokens), b.Field(event.CompletionTokens), b.Field(event.TotalTokens)
	q.cached, q.reasoning, q.cost = b.Field(event.CachedTokens), b.Field(event.ReasoningTokens), b.Field(event.Cost)
	q.users.prepare(b.Field(event.UserID), b.Rows)
	q.sessions.prepare(b.Field(event.SessionID), b.Rows)
}

// resize returns s with n entries that hold anything.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// prepare counts the durations of the requests that succeeded.
func (t *timing) prepare(v *event.LakeVector, of []outcome) {
	if t.none = v.None; t.none {
		return
	}
	t.ns, t.bins = v.Ints, resize(t.bins, len(of))
	for i, ns := range v.Ints[:len(of)] {
		switch {
		case of[i] != succeeded || v.Present != nil && !v.Present[i]:
			t.bins[i] = notCounted
		case ns <= 0:
			t.bins[i] = binOfZero
		default:
			t.bins[i] = int16(binOf(ns))
		}
	}
}

func (h *hashes) prepare(v *event.LakeVector, rows int) {
	if h.none = v.None; h.none {
		return
	}
	h.rows = resize(h.rows, rows)
	if len(v.Index) == 0 {
		for i, text := range v.Words[:rows] {
			h.rows[i] = hashOf(text)
		}
		return
	}
	h.word = resize(h.word, len(v.Words))
	for i, text := range v.Words {
		h.word[i] = hashOf(text)
	}
	for i, n := range v.Index[:rows] {
		if h.rows[i] = 0; v.Has(i) {
			h.rows[i] = h.word[n]
		}
	}
}

// hashOf is how Distinct knows a text; 0 for "", which names nobody.
func hashOf(text string) uint64 {
	if text == "" {
		return 0
	}
	return max(1, xxh3.HashString(text))
}

// AddRequests counts some rows of q, given by their numbers. It leaves c as Add would, called with the event of each.
func (c *Cell) AddRequests(q *Requests, rows []int32) {
	var of [outcomes]uint64
	late := uint64(0)
	for _, r := range rows {
		of[q.outcome[r]]++
		if q.late[r] {
			late++
		}
	}
	n := uint64(len(rows))
	c.Events, c.Requests, c.Late = c.Events+n, c.Requests+n, c.Late+late
	c.Errors, c.Unknown = c.Errors+of[failed], c.Unknown+of[unknown]
	c.Latency.addRows(&q.latency, rows)
	c.TTFT.addRows(&q.ttft, rows)
	c.TPOT.addRows(&q.tpot, rows)
	plusRows(&c.Tokens.Prompt, q.prompt, rows)
	plusRows(&c.Tokens.Completion, q.completion, rows)
	plusRows(&c.Tokens.Total, q.total, rows)
	plusRows(&c.Tokens.Cached, q.cached, rows)
	plusRows(&c.Tokens.Reasoning, q.reasoning, rows)
	c.Priced += plusRows(&c.Cost, q.cost, rows)
	c.Users.addRows(&q.users, rows)
	c.Sessions.addRows(&q.sessions, rows)
}

// plusRows adds the values of some rows and returns how many have one.
func plusRows(sum *int64, v *event.LakeVector, rows []int32) (n uint64) {
	if v.None {
		return 0
	}
	total := *sum
	for _, r := range rows {
		plus(&total, v.Ints[r]) // 0 where there is none
	}
	*sum = total
	if v.Present == nil {
		return uint64(len(rows))
	}
	for _, r := range rows {
		if v.Present[r] {
			n++
		}
	}
	return n
}

// addRows counts the durations of some rows.
func (m *Measure) addRows(t *timing, rows []int32) {
	if t.none {
		return
	}
	for m.count <= 2 { // from then on m has a sketch
		if len(rows) == 0 {
			return
		}
		if r := rows[0]; t.bins[r] != notCounted {
			m.Add(t.ns[r])
		}
		rows = rows[1:]
	}
	x := m.more
	for _, r := range rows {
		bin := int(t.bins[r])
		if bin == notCounted {
			continue
		}
		ns := max(t.ns[r], 0)
		m.count++
		m.min, m.max = min(m.min, ns), max(m.max, ns)
		var carry uint64
		x.lo, carry = bits.Add64(x.lo, uint64(ns), 0)
		x.hi += carry
		x.sketch.addToBin(bin)
	}
}

// addRows counts the texts of some rows.
func (d *Distinct) addRows(h *hashes, rows []int32) {
	if h.none {
		return
	}
	var recent [128]uint64 // what was added by this call: to find it in a list of hashes again takes a binary search
	for i, r := range rows {
		if d.set != nil && d.set.dense && d.first != 0 { // the rest goes to the registers straight
			d.set.registerRows(h, rows[i:])
			return
		}
		hash := h.rows[r]
		if at := &recent[hash%uint64(len(recent))]; hash != 0 && *at != hash {
			*at = hash
			d.addHash(hash)
		}
	}
}

func (s *hashSet) registerRows(h *hashes, rows []int32) {
	for _, r := range rows {
		if hash := h.rows[r]; hash != 0 {
			s.register(hash)
		}
	}
}
