package deliver

import (
	"errors"
	"net"
	"net/netip"
	"testing"
)

// Only what is public is reached, however an address is written, and nothing of this machine.
func TestReachable(t *testing.T) {
	own := func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(8, 8, 4, 4), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("2606:4700::2"), Mask: net.CIDRMask(64, 128)}}, nil
	}
	for address, ok := range map[string]bool{
		"8.8.8.8:443": true, "[2606:4700::1]:443": true, "[64:ff9b::808:808]:443": true, "[2002:808:808::1]:443": true,
		"10.0.0.1:443": false, "169.254.169.254:80": false, "100.64.0.1:80": false, "0.0.0.0:80": false,
		"[::1]:80": false, "[::]:80": false, "[::ffff:10.0.0.1]:80": false, "[fe80::1%eth0]:80": false, "[fd00::1]:80": false,
		"[64:ff9b::a9fe:a9fe]:80": false, "[64:ff9b:1::808:808]:80": false, "[2002:7f00:1::1]:80": false, "[::7f00:1]:80": false, "[2001::1]:80": false,
		"[fec0::1]:80": false, "240.0.0.1:80": false, "255.255.255.255:80": false, "198.18.0.1:80": false, "192.0.0.8:80": false, "203.0.113.9:80": false,
		"8.8.4.4:443": false, "[::ffff:8.8.4.4]:443": false, "[64:ff9b::808:404]:443": false, "[2606:4700::2]:443": false,
	} {
		if err := reachable(address, nil, own); (err == nil) != ok || err != nil && !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", address, err)
		}
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("8.8.4.4/32")}
	for _, address := range []string{"10.0.0.1:443", "[64:ff9b::a00:1]:443", "8.8.4.4:443"} {
		if err := reachable(address, allow, own); err != nil {
			t.Errorf("%s, which is allowed: %v", address, err)
		}
	}
	unknown := errors.New("unknown")
	if err := reachable("8.8.8.8:443", nil, func() ([]net.Addr, error) { return nil, unknown }); !errors.Is(err, unknown) {
		t.Errorf("without the addresses of this machine: %v", err)
	}
}
