package auth

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	ticketPrefix = "hxpt_"
	ticketLife   = 30 * time.Second
	maxTickets   = 10_000
	ticketsEach  = maxTickets / 2 // of one token, so that no holder of one keeps all others out
)

// Tickets lets browsers open streams. They cannot send a header with one, and an address stays in logs and histories: a ticket may stand in it,
// because it is good once, for half a minute, and for streams alone. It is the Authenticator of the query parameter ticket.
type Tickets struct {
	now func() time.Time

	mu   sync.Mutex
	open map[digest]ticket
	each map[string]int // how many of them by the id of the token
}

type ticket struct {
	*Principal
	until time.Time
}

// NewTickets makes an empty box of tickets.
func NewTickets(now func() time.Time) *Tickets {
	return &Tickets{now: now, open: map[digest]ticket{}, each: map[string]int{}}
}

// ErrTickets says that too many wait to be used.
var ErrTickets = errors.New("too many tickets wait to be used; they are over in half a minute")

// Issue makes a ticket for a principal.
func (t *Tickets) Issue(p *Principal) (text string, until time.Time, err error) {
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	full := func() bool { return len(t.open) >= maxTickets || t.each[p.ID] >= ticketsEach }
	if full() {
		for id, one := range t.open {
			if !now.Before(one.until) {
				t.drop(id)
			}
		}
	}
	if full() {
		return "", until, ErrTickets
	}
	secret := newSecret()
	until = now.Add(ticketLife)
	t.open[digestOf(secret)] = ticket{p, until}
	t.each[p.ID]++
	return ticketPrefix + secret, until, nil
}

// drop takes a ticket out, where it is there. It runs under mu.
func (t *Tickets) drop(id digest) (one ticket, known bool) {
	if one, known = t.open[id]; !known {
		return one, false
	}
	delete(t.open, id)
	if t.each[one.ID]--; t.each[one.ID] == 0 {
		delete(t.each, one.ID)
	}
	return one, true
}

// Authenticate is part of Authenticator.
func (t *Tickets) Authenticate(r *http.Request) (*Principal, error) {
	if r.Method != http.MethodGet || !isStream(r.URL.Path) || r.Header.Get("Authorization") != "" {
		return nil, nil
	}
	secret, given := strings.CutPrefix(r.URL.Query().Get("ticket"), ticketPrefix)
	if !given {
		return nil, nil
	}
	id := digestOf(secret)
	t.mu.Lock()
	one, known := t.drop(id)
	t.mu.Unlock()
	if !known || !t.now().Before(one.until) {
		return nil, &Refusal{Expired, "the ticket was used, or is over; POST /streams/tickets gives another"}
	}
	select {
	case <-one.Ended:
		return nil, &Refusal{Expired, "the credential that the ticket was given for no longer counts"}
	default:
	}
	p := *one.Principal
	p.Ticket = true
	return &p, nil
}

// isStream tells whether a path is one of the streams.
func isStream(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == "ws" || first == "stream"
}
