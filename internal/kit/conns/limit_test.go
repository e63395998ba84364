package conns

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func from(text string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(text)) }

func TestLimit(t *testing.T) {
	l := New(6, 2, nil)
	var places []func()
	for _, c := range []struct{ addr, refused string }{
		{"10.0.0.1:1", ""}, {"10.0.0.1:2", ""}, {"10.0.0.1:3", "address"},
		{"[2001:db8::1]:1", ""}, {"[2001:db8::2]:1", ""}, {"[2001:db8::3]:1", "address"}, // one network
		{"[::ffff:10.0.0.1]:4", "address"},
		{"127.0.0.1:1", ""}, {"[::1]:1", ""}, // this machine
		{"10.0.0.2:1", "all"}, {"127.0.0.1:2", "all"},
	} {
		leave, why := l.Take(from(c.addr))
		if (why == nil) != (c.refused == "") || why != nil && why.Reason != c.refused {
			t.Errorf("%s: %v, want %q", c.addr, why, c.refused)
		}
		if why == nil {
			places = append(places, leave)
		}
	}
	for _, leave := range places {
		leave()
		leave() // twice is no mistake
	}
	if l.open != 0 || len(l.of) != 0 {
		t.Errorf("%d places are taken, of %v", l.open, l.of)
	}
}

// TestThisMachineHasNoLimitOfItsOwn: everybody may come through a proxy on it.
func TestThisMachineHasNoLimitOfItsOwn(t *testing.T) {
	l := New(10_001, 10, nil)
	for i := range 10_000 {
		if _, why := l.Take(from("127.0.0.1:1")); why != nil {
			t.Fatalf("connection %d: %v", i, why)
		}
	}
}

func TestTheLogIsNotFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(0, 0, slog.New(slog.NewTextHandler(&out, nil)))
		for range 1000 {
			_, _ = l.Take(from("10.0.0.1:1"))
			time.Sleep(21 * time.Millisecond)
		}
		if got := strings.Count(out.String(), "\n"); got != 3 || !strings.Contains(out.String(), "last_from=10.0.0.1/32") {
			t.Errorf("%d lines: %s", got, out.String())
		}
	})
}

func TestAddress(t *testing.T) {
	for remote, want := range map[string]string{
		"127.0.0.1:5000": "127.0.0.1", "[::ffff:10.0.0.1]:1": "10.0.0.1", "[2001:db8:1:2:3::4]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1": "fe80::/64", "[::1]:1": "::1", "pipe": "pipe",
	} {
		if got := Address(remote); got != want {
			t.Errorf("%s: %s, want %s", remote, got, want)
		}
	}
}
