package live

import (
	"cmp"
	"math"
	"net/netip"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/kit/conns"
)

// gate counts the connections of one transport, and of each address, against their limits. Safe for concurrent use.
type gate struct {
	name, knob string // of the transport, and of the setting that limits it

	mu          sync.Mutex
	limit, each int
	total       int64 // since the start
	connected   int
	addresses   map[netip.Prefix]int
}

// set lets other limits hold from now on. Who is connected stays.
func (g *gate) set(limit, each int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit, g.each = limit, cmp.Or(each, math.MaxInt)
}

// place is that of a connection. Leave it once.
type place struct {
	gate    *gate
	address netip.Prefix
}

// enter takes a place for a peer ("host:port"), or says why there is none.
func (g *gate) enter(remote string) (p place, refusal string) {
	p = place{g, conns.Network(remote)}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.addresses == nil {
		g.addresses = map[netip.Prefix]int{}
	}
	switch {
	case g.connected >= g.limit:
		return p, "all " + itoa(g.limit) + " " + g.name + " are taken; close one or raise " + g.knob
	case g.addresses[p.address] >= g.each:
		return p, "your address has " + itoa(g.each) + " " + g.name + ", as many as one may have; close one or raise STREAM_MAX_CONNECTIONS_PER_ADDRESS"
	}
	g.total++
	g.connected++
	g.addresses[p.address]++
	return p, ""
}

func (p place) leave() {
	g := p.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.connected--
	if g.addresses[p.address]--; g.addresses[p.address] <= 0 {
		delete(g.addresses, p.address)
	}
}

func (g *gate) count() Connections {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Connections{Connected: int64(g.connected), Limit: g.limit, Total: g.total}
}
