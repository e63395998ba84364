package stream

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// spend is what one user used in a span of time: small enough to be kept for many users, where a Cell would not be.
type spend struct {
	requests, tokens, cost int64 // cost in nano-USD
}

func (s *spend) add(o spend) {
	s.requests += o.requests
	s.tokens += o.tokens
	s.cost += o.cost
}

// spendOf is what one request used.
func spendOf(e *event.Event) spend {
	return spend{1, e.Int(event.TotalTokens), e.Int(event.Cost)}
}

// spenders are the users of one span, up to a budget; the rest stand together under otherName.
type spenders map[string]spend

// take adds what a user spent. The name is copied when it is kept.
func (s spenders) take(user string, x spend, most int) {
	have, known := s[user]
	if !known {
		if len(s) >= most {
			user = otherName
			have = s[user]
		} else {
			user = strings.Clone(user)
		}
	}
	have.add(x)
	s[user] = have
}

// The users of a lane are kept by time of arrival like its panes, in spans of spenderSpans seconds; coarse to fine.
var (
	spenderSpans = [...]int64{3600, 60, 10}
	spenderKeep  = [...]int64{14 * 24 * 3600, 6 * 3600, 15 * 60}
)

const (
	finestSpend  = len(spenderSpans) - 1
	mostSpenders = 5000   // users of one span
	leftSpenders = 500    // users that a span keeps when it becomes part of a coarser one, by requests, tokens and cost
	maxSpends    = 60_000 // entries of a lane at one resolution
)

// wallet keeps what users spent, for one lane.
type wallet struct {
	levels [len(spenderSpans)]walletLevel
}

type walletLevel struct {
	spans   map[int64]*walletSpan // by start
	order   []*walletSpan         // oldest arrival first
	entries int
}

type walletSpan struct {
	start, arrived int64
	users          spenders
}

func newWallet() *wallet {
	w := &wallet{}
	for i := range w.levels {
		w.levels[i].spans = map[int64]*walletSpan{}
	}
	return w
}

// add takes what a user spent in the span of finest resolution that holds second at.
func (w *wallet) add(at int64, user string, x spend, now int64) {
	w.insert(finestSpend, at, user, x, now)
}

func (w *wallet) insert(level int, at int64, user string, x spend, now int64) {
	l := &w.levels[level]
	start := floor(at, spenderSpans[level])
	s := l.spans[start]
	if s == nil {
		s = &walletSpan{start: start, users: spenders{}}
		l.spans[start] = s
		l.order = append(l.order, s)
	}
	s.arrived = max(s.arrived, now)
	before := len(s.users)
	s.users.take(user, x, mostSpenders)
	l.entries += len(s.users) - before
}

// age moves what arrived long ago, or no longer fits, to the next coarser resolution.
func (w *wallet) age(now int64) {
	for level := finestSpend; level >= 0; level-- {
		l := &w.levels[level]
		for range 1000 {
			if len(l.order) == 0 || now-l.order[0].arrived < spenderKeep[level] && l.entries <= maxSpends {
				break
			}
			s := l.order[0]
			l.order = l.order[1:]
			delete(l.spans, s.start)
			l.entries -= len(s.users)
			if level > 0 {
				for user, x := range s.users.best(leftSpenders) {
					w.insert(level-1, s.start, user, x, s.arrived)
				}
			}
		}
	}
}

// best keeps the users that stand out by one of the three numbers, at most about 3 × most; the others go together.
func (s spenders) best(most int) spenders {
	if len(s) <= most {
		return s
	}
	names := make([]string, 0, len(s))
	for name := range s {
		if name != otherName {
			names = append(names, name)
		}
	}
	out := spenders{}
	for _, by := range spendMetrics {
		slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(by(s[b]), by(s[a])), strings.Compare(a, b)) })
		for _, name := range names[:min(most, len(names))] {
			out[name] = s[name]
		}
	}
	rest := s[otherName]
	for _, name := range names {
		if _, kept := out[name]; !kept {
			rest.add(s[name])
		}
	}
	if rest.requests > 0 {
		out[otherName] = rest
	}
	return out
}

var spendMetrics = map[string]func(spend) int64{
	"requests": func(s spend) int64 { return s.requests },
	"tokens":   func(s spend) int64 { return s.tokens },
	"cost_usd": func(s spend) int64 { return s.cost },
}

// window adds the users of [from, to) to into, with spans taken whole, and returns the widened window.
func (w *wallet) window(from, to int64, into spenders) (start, end int64) {
	start, end = from, to
	for level := range w.levels {
		for _, s := range w.levels[level].order {
			if last := s.start + spenderSpans[level]; s.start < to && last > from {
				start, end = min(start, s.start), max(end, last)
				for user, x := range s.users {
					have := into[user]
					have.add(x)
					into[user] = have
				}
			}
		}
	}
	return start, end
}

// appendTo writes everything that the wallet holds.
func (w *wallet) appendTo(b []byte) []byte {
	for level := range w.levels {
		l := &w.levels[level]
		b = binary.AppendUvarint(b, uint64(len(l.order)))
		for _, s := range l.order {
			b = binary.AppendVarint(b, s.start)
			b = binary.AppendVarint(b, s.arrived)
			b = appendSpenders(b, s.users)
		}
	}
	return b
}

func appendSpenders(b []byte, users spenders) []byte {
	names := make([]string, 0, len(users))
	for name := range users {
		names = append(names, name)
	}
	slices.Sort(names)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, name := range names {
		x := users[name]
		b = appendText(b, name)
		for _, n := range [...]int64{x.requests, x.tokens, x.cost} {
			b = binary.AppendVarint(b, n)
		}
	}
	return b
}

// spenders calls fn with each user that follows.
func (d *decoder) spenders(fn func(user string, x spend)) {
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		user := d.text()
		x := spend{d.varint(), d.varint(), d.varint()}
		if d.err == nil {
			fn(user, x)
		}
	}
}

func (d *decoder) wallet(w *wallet) {
	for level := range w.levels {
		for n := d.uvarint(); n > 0 && d.err == nil; n-- {
			start, arrived := d.varint(), d.varint()
			d.spenders(func(user string, x spend) { w.insert(level, start, user, x, arrived) })
		}
	}
}
