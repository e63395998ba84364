// Package sdnotify tells systemd how the process is, over the socket that it gives to a unit of Type=notify. In come lines such as READY=1; out go
// datagrams. Outside of systemd nothing is told and nothing fails. What is told is the caller's to promise.
package sdnotify

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// What systemd understands, see sd_notify(3).
const (
	Ready     = "READY=1"
	Reloading = "RELOADING=1" // followed by Ready when it is over
	Stopping  = "STOPPING=1"
	Alive     = "WATCHDOG=1"
)

// Status is a line for people, which systemctl status shows.
func Status(text string) string { return "STATUS=" + strings.ReplaceAll(text, "\n", " ") }

// Socket is where the systemd that started the process listens.
type Socket struct{ addr string }

// FromEnv reads what systemd put into the environment of the process pid: where it listens, nil when it did not start the process, and how long
// it waits for Alive before it kills the process, 0 for ever.
func FromEnv(getenv func(string) string, pid int) (*Socket, time.Duration, error) {
	addr := getenv("NOTIFY_SOCKET")
	if addr == "" {
		return nil, 0, nil
	}
	if addr[0] != '/' && addr[0] != '@' { // vsock: is that of virtual machines
		return nil, 0, fmt.Errorf("NOTIFY_SOCKET %q is no address of a Unix socket; it begins with / or @", addr)
	}
	usec := getenv("WATCHDOG_USEC")
	if meant := getenv("WATCHDOG_PID"); usec == "" || (meant != "" && meant != strconv.Itoa(pid)) {
		return &Socket{addr}, 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<62)/int64(time.Microsecond) {
		return nil, 0, fmt.Errorf("WATCHDOG_USEC %q is no number of microseconds", usec)
	}
	return &Socket{addr}, time.Duration(n) * time.Microsecond, nil
}

// Tell sends lines in one datagram.
func (s *Socket) Tell(lines ...string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.addr, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("telling systemd: %w", err)
	}
	return nil
}
