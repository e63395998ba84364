package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// health is what a service says of itself.
func (h *instance) health(t testing.TB, service string) (status string, checks map[string]struct{ Status, Detail string }) {
	t.Helper()
	_, data, err := call("GET", h.url(service)+"/health", nil, nil)
	var body struct {
		Status string
		Checks map[string]struct{ Status, Detail string }
	}
	if err == nil {
		err = json.Unmarshal(data, &body)
	}
	if err != nil {
		t.Fatalf("health of %s: %v in %s", service, err, data)
	}
	return body.Status, body.Checks
}

// On a disk that something else fills, writes are refused with a reason and the rest goes on; with room again everything does, and what was
// acknowledged is counted once.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	h, start := own(t), time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	data := filepath.Join(h.dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", data, "tmpfs", 0, "size=160m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() {
		h.kill()
		if err := unix.Unmount(data, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	h.env = append(h.env, "HXP_BROKER_DISK_RESERVE=33554432")
	h.up(t)
	l := push(h, 2, "disk", start)
	eventually(t, 30*time.Second, "some events are acknowledged", func() bool { return l.count() > 500 })
	filler := filepath.Join(data, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(data, &fs); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, int64(fs.Bavail)*fs.Bsize-1<<20); err != nil {
		t.Fatal(err)
	}
	var res *http.Response
	var body []byte
	eventually(t, 30*time.Second, "a write is refused", func() bool {
		res, body, err = call("POST", h.url("kafka-api")+"/events", map[string]string{"Content-Type": "application/json"}, []byte(`{"event_type":"system_metric","data":{"cpu_usage":1}}`))
		return err == nil && res.StatusCode != http.StatusAccepted
	})
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(string(body), "disk") {
		t.Errorf("refused with %d %v %s", res.StatusCode, res.Header, body)
	}
	for _, service := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "data-streaming-api"} {
		if status, checks := h.health(t, service); status == "healthy" || !strings.Contains(checks["disk"].Detail, "nearly full") {
			t.Errorf("%s is %s: %v", service, status, checks["disk"])
		}
	}
	ill := doctor(t, h.settings(), 1)
	fails(t, ill, "disk of the data folder", nil, data, "make room")
	for _, c := range ill {
		if c.Name != "disk of the data folder" && strings.Contains(c.Detail, "nearly full") {
			t.Errorf("the disk is told twice: %+v", c)
		}
	}
	h.window(t, start) // fails the test unless it is answered
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	f.Close()
	seen := l.count()
	eventually(t, time.Minute, "writes are taken again", func() bool { return l.count() > seen })
	h.counted(t, start, l.end(t))
	if status, checks := h.health(t, "kafka-api"); checks["disk"].Status != "healthy" {
		t.Errorf("with room again: %s, %v", status, checks)
	}
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// A process without file handles takes no connection and loses nothing; when there are some again it goes on by itself.
func TestOutOfFileHandles(t *testing.T) {
	t.Parallel()
	h, start := own(t), time.Date(2026, 3, 1, 7, 0, 0, 0, time.UTC)
	h.up(t)
	l := push(h, 2, "handles", start)
	eventually(t, 30*time.Second, "some events are acknowledged", func() bool { return l.count() > 500 })
	pid := h.cmd.Process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Skipf("this system does not tell what a process has open: %v", err)
	}
	var before unix.Rlimit
	few := unix.Rlimit{Cur: uint64(len(open) + 4)}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	few.Max = before.Max
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		t.Skipf("the limit of a process cannot be set here: %v", err)
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for _, service := range []string{"kafka-api", "event-processing-api", "batch-processing-api", "scheduler"} {
		u, err := url.Parse(h.url(service))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			c, err := net.DialTimeout("tcp", u.Host, 5*time.Second) // the kernel takes it; nobody else does
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
	}
	if c, err := net.DialTimeout("tcp", h.url("kafka"), 5*time.Second); err == nil {
		conns = append(conns, c)
	}
	eventually(t, 30*time.Second, "it has no handle left and says so", func() bool {
		select {
		case <-h.done:
			t.Fatalf("hxp ended without file handles: %v", h.cmd.ProcessState)
		default:
		}
		log, err := os.ReadFile(h.logPath())
		return err == nil && strings.Contains(string(log), "too many open files")
	})
	for _, c := range conns {
		c.Close()
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	seen := l.count()
	eventually(t, time.Minute, "writes are taken again", func() bool { return l.count() > seen })
	h.counted(t, start, l.end(t))
	if code := h.stop(t); code != 0 {
		t.Errorf("exit %d", code)
	}
}
