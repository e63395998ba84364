package airflow

import (
	"maps"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
)

// Limits of wrong passwords: a few at once, then one every guessPause, for each address. Addresses beyond maxGuessers share one
// allowance, so that nobody can make the table large.
const (
	guessBurst  = 10
	guessPause  = 6 * time.Second
	maxGuessers = 4096
)

// guesses counts tries of passwords by address: each address has a debt in time that melts as time goes by.
type guesses struct {
	mu   sync.Mutex
	owed map[string]time.Time // when the debt is gone
}

// take counts a try before its password is looked at, so that tries at the same time are counted too; wait is how long the address
// must wait when it has none left.
func (g *guesses) take(addr string, now time.Time) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.owed) >= maxGuessers {
		maps.DeleteFunc(g.owed, func(_ string, t time.Time) bool { return !t.After(now) })
	}
	k := g.key(addr)
	until := later(g.owed[k], now)
	if wait = until.Sub(now) - (guessBurst-1)*guessPause; wait > 0 {
		return wait
	}
	if g.owed == nil {
		g.owed = map[string]time.Time{}
	}
	g.owed[k] = until.Add(guessPause)
	return 0
}

// right takes a try back: its password was right.
func (g *guesses) right(addr string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k := g.key(addr)
	g.owed[k] = g.owed[k].Add(-guessPause)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// key is the host of an address; of IPv6 the network, since one person has all of it.
func (g *guesses) key(addr string) string {
	host := conns.Address(addr)
	if _, known := g.owed[host]; !known && len(g.owed) >= maxGuessers {
		return "others"
	}
	return host
}
