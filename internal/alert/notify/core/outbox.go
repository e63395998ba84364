package core

import (
	"errors"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// The patience with a receiver that does not take a message.
const (
	firstGap   = time.Second     // before the second try; it doubles
	longestGap = 5 * time.Minute //
	mostAfter  = time.Hour       // that a receiver may ask for
	giveUp     = 24 * time.Hour  // after the message was made
	dayLong    = 24 * time.Hour
)

// try is a try of a message, as the limits of its receiver count it.
type try struct {
	at      time.Time
	message string
	attempt int
	failed  bool // for certain: nothing arrived
}

// Ready are messages to be tried at a time, the oldest first, within the limits of their receivers. take says whether one can be
// tried now; each that it takes counts as a try.
func (e *Engine) Ready(now time.Time, take func(*Message) bool) (out []Message) {
	var due []*Message
	for _, id := range e.pending {
		if m := e.messages[id]; !m.NextAt.After(now) {
			due = append(due, m)
		}
	}
	sorting.By(due, func(a, b *Message) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, m := range due {
		if e.room(m, now) && take(m) {
			e.tries[m.Way] = append(e.tries[m.Way], try{at: now, message: m.ID, attempt: m.Attempts})
			if e.unheard[m.ID] {
				e.unheard[m.ID] = false
			}
			e.trying[m.ID] = true
			delete(e.heldBack, m.ID)
			out = append(out, *m)
		}
	}
	return out
}

// room tells whether the limits of the receiver leave room for a try. What has none is looked at again when there is some. Each try
// counts for the minute, as it is a load; for the day those count that arrived, or may have.
func (e *Engine) room(m *Message, now time.Time) bool {
	tries, known := e.tries[m.Way]
	if !known {
		for _, old := range e.messages {
			if old.Way == m.Way && old.State == Sent {
				tries = append(tries, try{at: old.EndedAt})
			}
		}
		sorting.By(tries, func(a, b try) int { return a.at.Compare(b.at) })
	}
	since := func(at time.Time) int {
		i, _ := slices.BinarySearchFunc(tries, at, func(t try, at time.Time) int { return t.at.Compare(at) })
		return i
	}
	tries = tries[since(now.Add(-dayLong)):]
	e.tries[m.Way] = tries
	recent := since(now.Add(-time.Minute))
	var day []time.Time
	for _, t := range tries {
		if !t.failed {
			day = append(day, t.at)
		}
	}
	t := e.plan.Target(m.Receiver)
	if t == nil || len(tries)-recent < t.PerMinute && (t.PerDay == 0 || len(day) < t.PerDay) {
		return true
	}
	m.NextAt = now.Add(time.Second)
	e.heldBack[m.ID] = HeldLimit
	if t.PerDay > 0 && len(day) >= t.PerDay {
		m.NextAt = day[len(day)-t.PerDay].Add(dayLong + time.Millisecond)
	} else if recent < len(tries) {
		m.NextAt = tries[recent].at.Add(time.Minute + time.Millisecond)
	}
	return false
}

// failed notes that a try did not arrive for certain.
func (e *Engine) failed(m *Message) {
	for i, t := range e.tries[m.Way] {
		if t.message == m.ID && t.attempt == m.Attempts {
			e.tries[m.Way][i].failed = true
		}
	}
	if _, ours := e.unheard[m.ID]; ours && m.Uncertain == 0 {
		e.unheard[m.ID] = true
	}
}

// Ended is what becomes of a message after a try: the documents to be stored. Where another owner has made a try meanwhile, a failure
// says nothing new; that it arrived does as long as it still waits.
func (e *Engine) Ended(m Message, err error, now time.Time) []event.Document {
	delete(e.trying, m.ID)
	if err != nil && !deliver.Uncertain(err) {
		e.failed(&m)
	}
	have := e.messages[m.ID]
	if have == nil || have.State != Waiting || err != nil && have.Attempts != m.Attempts {
		return nil
	}
	m = *have
	m.Attempts++
	f, _ := errors.AsType[*deliver.Failure](err)
	switch {
	case err == nil:
		m.State, m.EndedAt, m.Error, m.Data, m.Before = Sent, now, "", nil, nil
		return []event.Document{Put(KindMessage, m.ID, m)}
	case f != nil && (f.Final || f.Gone), now.Sub(m.CreatedAt) > giveUp:
		unsaid := e.unsaid(&m)
		m.State, m.EndedAt, m.Error, m.Data, m.Before = Failed, now, err.Error(), nil, nil
		docs := []event.Document{Put(KindMessage, m.ID, m), unsaid}
		if f != nil && f.Gone {
			docs = append(docs, Put(KindOff, m.Way, Off{now, err.Error()}))
		}
		return docs
	}
	gap := spread(m.ID, m.Attempts, min(firstGap<<min(m.Attempts-1, 20), longestGap))
	if f != nil && f.Uncertain {
		m.Uncertain++
	}
	if f != nil && f.After > 0 {
		gap = max(gap, min(f.After, mostAfter)+spread(m.ID, m.Attempts, time.Second)/4)
	}
	m.NextAt, m.Error = now.Add(gap), err.Error()
	return []event.Document{Put(KindMessage, m.ID, m)}
}

// unsaid notes what is said where a message failed for good: nothing, so that another one is made, but for what was told once before it.
func (e *Engine) unsaid(m *Message) event.Document {
	if m.Before == nil {
		return Remove(KindSaid, hashed(m.Key))
	}
	said := Said{Key: m.Key, At: m.Before.At}
	for _, fp := range m.Before.Firing {
		if a := e.alerts[fp]; a != nil && a.Once {
			said.Firing = append(said.Firing, fp)
		}
	}
	if said.Firing == nil {
		return Remove(KindSaid, hashed(m.Key))
	}
	return Put(KindSaid, hashed(m.Key), said)
}

// spread moves a time by up to a quarter, so that many messages that failed together do not come together again. It is the same
// for the same try.
func spread(id string, attempt int, d time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte{byte(attempt)})
	_, _ = h.Write([]byte(id))
	return d - d/4 + time.Duration(h.Sum32()%1024)*(d/2)/1024
}

// The times after which what has ended is forgotten.
const (
	keepMessages = 7 * 24 * time.Hour
	mostMessages = 5000
	keepSaid     = 5 * 24 * time.Hour
	keepSilences = 5 * 24 * time.Hour
	keepOver     = 2 * 24 * time.Hour  // hxp tells of ends for a day
	keepOnce     = 40 * 24 * time.Hour // a budget says for a month that it is spent
	mostOver     = 20_000
)

// Sweep removes what has ended long ago.
func (e *Engine) Sweep(now time.Time) (docs []event.Document) {
	var ended []*Message
	for _, m := range e.messages {
		if m.State != Waiting {
			ended = append(ended, m)
		}
	}
	sorting.By(ended, func(a, b *Message) int { return b.EndedAt.Compare(a.EndedAt) })
	for i, m := range ended {
		if i >= mostMessages || now.Sub(m.EndedAt) > keepMessages {
			docs = append(docs, Remove(KindMessage, m.ID))
		}
	}
	over := slices.Collect(maps.Keys(e.over))
	sorting.By(over, func(a, b string) int { return e.over[b].At.Compare(e.over[a].At) })
	for i, id := range over {
		keep := keepOver
		if e.over[id].Once {
			keep = keepOnce
		}
		if i >= mostOver || now.Sub(e.over[id].At) > keep {
			docs = append(docs, Remove(KindOver, id))
		}
	}
	live := map[string]bool{}
	for key := range e.sayings() {
		live[key] = true
	}
	for id, s := range e.said {
		if now.Sub(s.At) > keepSaid && !live[s.Key] {
			docs = append(docs, Remove(KindSaid, id))
		}
	}
	for id, s := range e.silences {
		if now.Sub(s.EndsAt) > keepSilences {
			docs = append(docs, Remove(KindSilence, id))
		}
	}
	for fp, k := range e.acks {
		if e.alerts[fp] == nil {
			docs = append(docs, removeAs(k.revision, KindAck, string(fp)))
		}
	}
	return docs
}
