package e2e

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSystemdHears: the process tells who started it when every service answers, that it lives, when it reads its configuration anew, and when it stops.
func TestSystemdHears(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	end, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	h := prepare(t, "127.0.0.1:0")
	h.env = append(h.env, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=1500000")
	h.launch(t)
	hears := func(line string, not ...string) {
		t.Helper()
		_ = end.SetReadDeadline(time.Now().Add(readyWithin)) // it is open
		for {
			text := make([]byte, 4096)
			n, err := end.Read(text)
			if err != nil {
				t.Fatalf("systemd does not hear %s: %v", line, err)
			}
			lines := strings.Split(string(text[:n]), "\n")
			if slices.Contains(lines, line) {
				return
			}
			for _, bad := range not {
				if slices.Contains(lines, bad) {
					t.Fatalf("systemd hears %q before %s", lines, line)
				}
			}
		}
	}
	hears("READY=1", "STOPPING=1")
	h.await(t)
	for service, health := range listenersWithHealth {
		if res, body, err := call("GET", h.url(service)+health, nil, nil); err != nil || res.StatusCode != 200 {
			t.Errorf("%s does not answer when it is said to be ready: %v %s", service, err, body)
		}
	}
	hears("WATCHDOG=1")
	hears("WATCHDOG=1")
	if err := h.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	hears("RELOADING=1", "READY=1", "STOPPING=1")
	hears("READY=1", "STOPPING=1")
	if err := h.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	hears("STOPPING=1")
	<-h.done
	if code := h.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
