package deliver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
)

var errPrivate = errors.New("the address is of this machine or in a network that is not public, and HXP_WEBHOOK_ALLOW does not name it")

// reachable refuses addresses of this machine, which own tells, and of networks that are not public. allow names exceptions.
func reachable(address string, allow []netip.Prefix, own func() ([]net.Addr, error)) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ip := at.Addr().Unmap().WithZone("")
	if within(allow, ip) {
		return nil
	}
	to := embedded(ip) // where a gateway would take it
	if within(allow, to) {
		return nil
	}
	if !to.IsGlobalUnicast() || to.IsPrivate() || within(special, to) {
		return refused(ip)
	}
	mine, err := own() // at each connection: they change
	if err != nil {
		return fmt.Errorf("the addresses of this machine cannot be read: %w", err)
	}
	if slices.ContainsFunc(mine, func(a net.Addr) bool { return addressOf(a) == to }) {
		return refused(ip)
	}
	return nil
}

// refused says why an address is not reached, and the setting that would allow it alone.
func refused(ip netip.Addr) error {
	return fmt.Errorf("%s: %w (HXP_WEBHOOK_ALLOW=%[1]s/%[3]d allows it, from the next start of hxp)", ip, errPrivate, ip.BitLen())
}

// ownAddresses are those of the interfaces that lead to others. A public address on the loopback interface is one that many machines answer
// for (anycast, a balancer in front): it is public, and no way into what listens here alone.
func ownAddresses() (out []net.Addr, err error) {
	all, err := net.Interfaces()
	for i := range all {
		if all[i].Flags&net.FlagLoopback != 0 {
			continue
		}
		some, failed := all[i].Addrs()
		out, err = append(out, some...), errors.Join(err, failed)
	}
	return out, err
}

func within(networks []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(ip) })
}

func addressOf(a net.Addr) netip.Addr {
	n, ok := a.(*net.IPNet)
	if !ok {
		return netip.Addr{}
	}
	ip, _ := netip.AddrFromSlice(n.IP)
	return ip.Unmap()
}

var (
	translated = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291
)

// embedded is the IPv4 address to which an IPv6 address leads that holds one, and the address itself where it holds none.
func embedded(ip netip.Addr) netip.Addr {
	b := ip.As16()
	switch {
	case translated.Contains(ip), compatible.Contains(ip):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(ip):
		return netip.AddrFrom4([4]byte(b[2:]))
	}
	return ip
}

// special are the networks of IANA's registries of special addresses that are not reached from everywhere, beyond those that
// netip.Addr knows of, and those that lead somewhere else.
var special = prefixes(
	"0.0.0.0/8",       // this network
	"100.64.0.0/10",   // between carriers and their customers
	"192.0.0.0/24",    // protocols
	"192.0.2.0/24",    // documents
	"192.88.99.0/24",  // 6to4 relays
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documents
	"203.0.113.0/24",  // documents
	"240.0.0.0/4",     // reserved
	"64:ff9b:1::/48",  // translation within a network
	"100::/64",        // discard
	"100:0:0:1::/64",  // dummy
	"2001::/23",       // protocols, Teredo among them
	"2001:db8::/32",   // documents
	"3fff::/20",       // documents
	"5f00::/16",       // segment routing
	"fec0::/10",       // site-local
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}
