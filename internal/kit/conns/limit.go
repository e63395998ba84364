package conns

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// logEvery is the time between two lines about connections that were turned away.
const logEvery = 10 * time.Second

// Limit counts connections, in all and of each network. Safe for concurrent use.
type Limit struct {
	most, each int
	log        *slog.Logger

	mu      sync.Mutex
	open    int
	of      map[netip.Prefix]int
	refused int // since the last line in the log
	logged  time.Time
}

// New makes a limit of most connections, and each of one network. log nil is for those who tell of refusals by themselves.
func New(most, each int, log *slog.Logger) *Limit {
	return &Limit{most: most, each: each, log: log, of: map[netip.Prefix]int{}}
}

// Refusal is why there is no place.
type Refusal struct {
	Reason string // "all" or "address", for a metric
	Detail string
}

func (r *Refusal) Error() string { return r.Detail }

// Take takes a place for a connection, to be left once, or says why there is none.
func (l *Limit) Take(from net.Addr) (leave func(), why *Refusal) {
	network := Network(from.String())
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.open >= l.most:
		why = &Refusal{"all", fmt.Sprintf("all %d connections are taken", l.most)}
	case l.of[network] >= l.each && !network.Addr().IsLoopback():
		why = &Refusal{"address", fmt.Sprintf("%v has %d connections, as many as one address may have", network, l.each)}
	default:
		l.open++
		l.of[network]++
		return sync.OnceFunc(func() { l.leave(network) }), nil
	}
	l.complain(network, why)
	return nil, why
}

func (l *Limit) leave(network netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.of[network]--; l.of[network] == 0 {
		delete(l.of, network)
	}
}

// complain tells the log, but not of each: strangers may come as often as they like. It runs under mu.
func (l *Limit) complain(network netip.Prefix, why *Refusal) {
	if l.log == nil {
		return
	}
	l.refused++
	if now := time.Now(); now.Sub(l.logged) >= logEvery {
		l.log.Warn("connections turned away", "reason", why.Detail, "last_from", network.String(), "turned_away", l.refused, "open", l.open)
		l.refused, l.logged = 0, now
	}
}

// Network is what counts as one address of host:port: of IPv6 the half that a subscriber is given. It is the zero Prefix for what has none, as
// a network in memory.
func Network(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() && !addr.IsLoopback() {
		bits = 64
	}
	p, _ := addr.Prefix(bits) // fits
	return p
}

// Address names the network of host:port: as an address where it is a single one.
func Address(remote string) string {
	switch p := Network(remote); {
	case !p.IsValid():
		return remote
	case p.IsSingleIP():
		return p.Addr().String()
	default:
		return p.String()
	}
}
