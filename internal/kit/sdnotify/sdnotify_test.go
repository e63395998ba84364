package sdnotify

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestTell(t *testing.T) {
	abstract := fmt.Sprintf("@hxp-sdnotify-%d", time.Now().UnixNano())
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), abstract} {
		end, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer end.Close()
		s, _, err := FromEnv(env("NOTIFY_SOCKET", address), 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Tell(Ready, Status("two\nlines")); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 100)
		n, err := end.Read(text)
		if err != nil || string(text[:n]) != "READY=1\nSTATUS=two lines" {
			t.Errorf("%q, %v", text[:n], err)
		}
	}
}

func TestWithoutSystemdNothingIsTold(t *testing.T) {
	if s, watchdog, err := FromEnv(env("WATCHDOG_USEC", "1000"), 1); s != nil || watchdog != 0 || err != nil {
		t.Errorf("%+v, %s, %v", s, watchdog, err)
	}
}

func TestNobodyListens(t *testing.T) {
	s, _, err := FromEnv(env("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone")), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Tell(Ready); err == nil || !strings.HasPrefix(err.Error(), "telling systemd: ") {
		t.Error(err)
	}
}

func TestFromEnv(t *testing.T) {
	for _, c := range []struct {
		socket, usec, pid string
		want              time.Duration
		fault             string
	}{
		{"/run/n", "", "", 0, ""},
		{"/run/n", "60000000", "", time.Minute, ""},
		{"/run/n", "60000000", "7", time.Minute, ""},
		{"/run/n", "60000000", "8", 0, ""}, // it is another process that is watched
		{"/run/n", "soon", "", 0, `WATCHDOG_USEC "soon"`},
		{"/run/n", "0", "", 0, `WATCHDOG_USEC "0"`},
		{"/run/n", "9223372036854775807", "", 0, `WATCHDOG_USEC`},
		{"vsock:2:1", "", "", 0, `NOTIFY_SOCKET "vsock:2:1"`},
	} {
		s, watchdog, err := FromEnv(env("NOTIFY_SOCKET", c.socket, "WATCHDOG_USEC", c.usec, "WATCHDOG_PID", c.pid), 7)
		if c.fault != "" {
			if err == nil || !strings.Contains(err.Error(), c.fault) {
				t.Errorf("%+v: %v", c, err)
			}
			continue
		}
		if err != nil || watchdog != c.want || s.addr != c.socket {
			t.Errorf("%+v: %+v, %s, %v", c, s, watchdog, err)
		}
	}
}
