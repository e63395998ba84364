package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// machine is a /proc of our own.
func machine(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "net"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

var calm = map[string]string{
	"stat":    "cpu  1000 0 500 8000 500 0 0 0 200 0\ncpu0 1000 0 500 8000 500 0 0 0 200 0\nintr 1\n",
	"meminfo": "MemTotal:       16000 kB\nMemFree:         100 kB\nMemAvailable:    4000 kB\nBuffers: 1 kB\n",
	"net/dev": "Inter-|   Receive  |  Transmit\n face |bytes    packets|bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 1000 0 0 0 0 0 0 0 2000 0 0 0 0 0 0 0\nveth1:7 0 0 0 0 0 0 0 7 0 0 0 0 0 0 0\n",
	"diskstats": "   8       0 sda 10 0 100 0 10 0 200 0 0 0 0\n   8       1 sda1 10 0 100 0 10 0 200 0 0 0 0\n 259       0 nvme0n1 10 0 10 0 10 0 20 0 0 0 0\n 259       1 nvme0n1p1 10 0 10 0 10 0 20 0 0 0 0\n 253 0 dm-0 1 0 110 0 1 0 220 0 0 0 0\n" +
		"   8      16 sdaa 10 0 5 0 10 0 5 0 0 0 0\n",
	"loadavg": "0.75 0.50 0.25 1/234 5678\n",
}

// intake keeps what it takes.
type intake struct {
	events []event.Event
	fail   error
}

func (i *intake) Take(_ context.Context, events []event.Event) error {
	if i.fail == nil {
		i.events = append(i.events, events...)
	}
	return i.fail
}

// data is the data of an event as a reader of the topic gets it, so it must be valid.
func data(t *testing.T, e *event.Event) map[string]any {
	t.Helper()
	text := event.AppendJSON(nil, e)
	var p event.Parser
	var back event.Event
	if bad := p.Parse(text, &back); bad != nil || !back.Equal(e) {
		t.Fatalf("%v in %s", bad, text)
	}
	var v struct{ Data map[string]any }
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v.Data
}

func same(t *testing.T, got, want map[string]any) {
	t.Helper()
	for k, w := range want {
		f, number := w.(float64)
		if g := got[k]; g != w && !(number && g != nil && math.Abs(g.(float64)-f) < 1e-9) {
			t.Errorf("%s is %v, want %v", k, g, w)
		}
	}
	for k, g := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s: %v was not expected", k, g)
		}
	}
}

func TestMachine(t *testing.T) {
	dir := machine(t, calm)
	synctest.Test(t, func(t *testing.T) {
		in := &intake{}
		m := New(Config{Interval: 15 * time.Second, GPU: true}, Options{Intake: in, Hostname: "me"})
		m.proc = dir
		busy, used, free := 97., 65536., 16384.
		m.gpus = func(context.Context) ([]gpu, error) {
			return []gpu{{index: "0", uuid: "GPU-1", name: "NVIDIA H100", busy: &busy, used: &used, free: &free}, {index: "1"}}, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(15*time.Second + time.Millisecond)
		synctest.Wait()
		first := map[string]any{"host": "me", "memory_usage": 75., "memory_available_bytes": 4096000., "memory_total_bytes": 16384000., "load1": .75}
		if len(in.events) != 3 {
			t.Fatalf("%d events", len(in.events))
		}
		same(t, data(t, &in.events[0]), first)
		same(t, data(t, &in.events[1]), map[string]any{"host": "me", "gpu": "0", "gpu_uuid": "GPU-1", "gpu_model": "NVIDIA H100", "gpu_usage": 97., "gpu_memory_usage": 80., "gpu_memory_used_mib": 65536., "gpu_memory_free_mib": 16384.})
		same(t, data(t, &in.events[2]), map[string]any{"host": "me", "gpu": "1"})
		if e := in.events[0]; e.Source != "host" || e.Time%15_000_000 != 0 || e.ID == in.events[1].ID {
			t.Errorf("%s", event.AppendJSON(nil, &e))
		}
		for name, text := range map[string]string{"stat": "cpu  1600 0 600 9000 800 0 0 0 200 0\n", "loadavg": "2 1 1 1/1 1\n",
			"net/dev": "  eth0: 16000 0 0 0 0 0 0 0 1999 0 0 0 0 0 0 0\n", "diskstats": "8 0 sda 10 0 130 0 10 0 260 0 0 0 0\n 259 0 nvme0n1 1 0 15 0 1 0 25 0 0\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(15 * time.Second)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		same(t, data(t, &in.events[3]), map[string]any{"host": "me", "cpu_usage": 50., "memory_usage": 75., "memory_available_bytes": 4096000., "memory_total_bytes": 16384000., "load1": 2.,
			"network_receive_bytes_per_second": 1000., "disk_read_bytes_per_second": 30 * 512 / 15., "disk_written_bytes_per_second": 60 * 512 / 15.}) // what was sent began again
	})
}

// TestRealMachine: this machine tells everything.
func TestRealMachine(t *testing.T) {
	r, err := read("/proc", []string{"/", t.TempDir()})
	if err != nil || !r.has.cpu || !r.has.mem || !r.has.net || !r.has.load || !r.has.disk || r.disk.available > r.disk.all || r.mem.available > r.mem.all || r.cpu.idle > r.cpu.all {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestHalfAMachine: what is missing or wrong is said once, counted each time, and left out.
func TestHalfAMachine(t *testing.T) {
	in, reg, said := &intake{}, telemetry.NewRegistry(), &bytes.Buffer{}
	m := New(Config{Interval: time.Second, GPU: true}, Options{Intake: in, Hostname: "me", Folders: []string{"/not/there"}, Registry: reg, Log: slog.New(slog.NewTextHandler(said, nil))})
	m.proc = machine(t, map[string]string{"stat": "cpu a b c d", "meminfo": "MemTotal: 0 kB\n", "net/dev": "eth0: 1\n", "loadavg": "1 1 1 1/1 1"})
	m.gpus = func(context.Context) ([]gpu, error) { return nil, errors.New("nvidia-smi: exit status 9") }
	for i := range 3 {
		m.measure(t.Context(), time.UnixMicro(1_748_772_000_000_000+int64(i)*1_000_000))
	}
	if n, _ := reg.Sum("host_metrics_failures_total"); n != 6 {
		t.Errorf("%v failures", n)
	}
	if lines := strings.Count(said.String(), "\n"); lines != 2 || !strings.Contains(said.String(), "diskstats") || !strings.Contains(said.String(), "exit status 9") {
		t.Errorf("%s", said)
	}
	if len(in.events) != 3 {
		t.Fatalf("%d events", len(in.events))
	}
	same(t, data(t, &in.events[2]), map[string]any{"host": "me", "load1": 1.})
	in.fail = errors.New("no broker")
	m.measure(t.Context(), time.Now())
	if !strings.Contains(said.String(), "part=write") {
		t.Errorf("%s", said)
	}
}

// tool puts a script in place of nvidia-smi.
func tool(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nvidia-smi"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/bin:/usr/bin")
}

func TestNvidiaSMI(t *testing.T) {
	tool(t, `[ "$1" = "--query-gpu=index,uuid,name,utilization.gpu,memory.used,memory.free,power.draw,temperature.gpu,clocks.sm" ] && [ "$2" = "--format=csv,noheader,nounits" ] || exit 3
cat <<END
0, GPU-604ac76c, NVIDIA H100 80GB HBM3, 97, 65536, 16384, 612.35, 61, 1980
1, GPU-0a1b2c3d, NVIDIA GeForce RTX 4090, 0, 12, 24552, [N/A], 30, [Not Supported]
END`)
	list, err := askGPUs(t.Context())
	if err != nil || len(list) != 2 || *list[0].power != 612.35 || list[0].name != "NVIDIA H100 80GB HBM3" || list[1].power != nil || list[1].clock != nil || *list[1].free != 24552 {
		t.Errorf("%+v, %v", list, err)
	}
	tool(t, "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9")
	if _, err := askGPUs(t.Context()); err == nil || err.Error() != "nvidia-smi: exit status 9" {
		t.Error(err)
	}
	tool(t, "echo 'No devices were found'")
	if _, err := askGPUs(t.Context()); err == nil || !strings.Contains(err.Error(), "1 columns where 9 were asked for") {
		t.Error(err)
	}
	tool(t, "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := askGPUs(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := askGPUs(t.Context()); !errors.Is(err, errNoTool) {
		t.Error(err)
	}
}

func TestSwitch(t *testing.T) {
	for _, c := range []struct {
		enabled  string
		demo, on bool
	}{{"auto", false, false}, {"auto", true, true}, {"on", false, true}, {"off", true, false}} {
		if (Config{Enabled: c.enabled}).On(c.demo) != c.on {
			t.Errorf("%+v", c)
		}
	}
}

// FuzzGPUs: whatever nvidia-smi says, the events are valid.
func FuzzGPUs(f *testing.F) {
	f.Add([]byte("0, GPU-1, NVIDIA H100, 97, 65536, 16384, 612.35, 61, 1980\n\n1,,,[N/A],NaN,-1,Inf,1e300,0x1p4\n"))
	f.Add([]byte("0, \xff, \"a\", 1e12, 0, 0, 1, 1, 1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseGPUs(text)
		if err != nil {
			return
		}
		m := New(Config{}, Options{Hostname: "me"})
		for i := range list {
			e := m.gpu(&list[i], time.UnixMicro(1_748_772_000_000_000))
			data(t, &e)
		}
	})
}

// FuzzProc: whatever the files hold, reading them ends, and two readings make a valid event.
func FuzzProc(f *testing.F) {
	f.Add(calm["stat"], calm["meminfo"], calm["net/dev"], calm["diskstats"], calm["loadavg"])
	f.Add("cpu 18446744073709551615 1 1 1", "MemTotal: 9007199254740991\nMemAvailable: 9007199254740991", "a: 1 2 3 4 5 6 7 8 18446744073709551615", "0 0 a 0 0 1 0 0 0 1", "NaN 0 0")
	f.Fuzz(func(t *testing.T, stat, meminfo, netdev, diskstats, loadavg string) {
		var r reading
		var err error
		r.cpu, err = parseStat([]byte(stat))
		r.has.cpu = err == nil
		r.mem, err = parseMeminfo([]byte(meminfo))
		r.has.mem = err == nil
		r.net, err = parseNetDev([]byte(netdev))
		r.has.net = err == nil
		r.io, err = parseDiskstats([]byte(diskstats))
		r.has.io = err == nil
		r.load, err = parseLoad([]byte(loadavg))
		r.has.load = err == nil
		m := New(Config{}, Options{Hostname: "me"})
		before := reading{has: r.has}
		m.before = &before
		r.at = before.at.Add(time.Second)
		e := m.machine(&r, time.UnixMicro(1_748_772_000_000_000))
		data(t, &e)
	})
}
