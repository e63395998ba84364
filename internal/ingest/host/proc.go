package host

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
)

// reading is what the machine tells at one moment. Zero values of has are not told.
type reading struct {
	at   time.Time
	cpu  cpuTime
	mem  memory
	disk space
	net  traffic
	io   traffic
	load float64
	has  struct{ cpu, mem, disk, net, io, load bool }
}

// cpuTime is what all processors together spent, in the kernel's ticks.
type cpuTime struct{ idle, all uint64 }

// memory in bytes.
type memory struct{ available, all uint64 }

// space of file systems in bytes.
type space struct{ available, all uint64 }

// traffic in bytes, in and out, since the kernel counts.
type traffic struct{ in, out uint64 }

var errForm = errors.New("it is not what this kernel's documentation says")

// parseStat reads the first line of /proc/stat. The time of guests is in that of users and counts once.
func parseStat(text []byte) (cpuTime, error) {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	f := strings.Fields(string(line))
	if len(f) < 5 || f[0] != "cpu" {
		return cpuTime{}, errForm
	}
	var c cpuTime
	for i, s := range f[1:min(len(f), 9)] { // user nice system idle iowait irq softirq steal
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return cpuTime{}, errForm
		}
		c.all += n
		if i == 3 {
			c.idle = n
		}
	}
	return c, nil
}

// parseMeminfo reads /proc/meminfo.
func parseMeminfo(text []byte) (m memory, err error) {
	found := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "MemTotal:" && f[0] != "MemAvailable:" {
			continue
		}
		kib, err := strconv.ParseUint(f[1], 10, 53)
		if err != nil {
			return memory{}, errForm
		}
		found++
		if f[0] == "MemTotal:" {
			m.all = kib << 10
		} else {
			m.available = kib << 10
		}
	}
	if found != 2 || m.all == 0 {
		return memory{}, errForm
	}
	return m, nil
}

// parseNetDev adds up the interfaces of /proc/net/dev.
func parseNetDev(text []byte) (t traffic, err error) {
	for line := range strings.Lines(string(text)) {
		name, numbers, ok := strings.Cut(line, ":")
		name = strings.TrimSpace(name)
		if !ok || !prom.RealNetwork(name) {
			continue
		}
		f := strings.Fields(numbers)
		if len(f) < 9 {
			return traffic{}, errForm
		}
		in, err := strconv.ParseUint(f[0], 10, 64)
		out, err2 := strconv.ParseUint(f[8], 10, 64)
		if err != nil || err2 != nil {
			return traffic{}, errForm
		}
		t.in, t.out = t.in+in, t.out+out
	}
	return t, nil
}

// parseDiskstats adds up the whole disks of /proc/diskstats: no partitions, and nothing that lies on another device.
func parseDiskstats(text []byte) (t traffic, err error) {
	const sector = 512 // of this file, whatever the disk has
	disk := ""
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 10 {
			return traffic{}, errForm
		}
		name := f[2]
		if !prom.WholeDisk(name) || disk != "" && partition(name, disk) {
			continue
		}
		disk = name
		read, err := strconv.ParseUint(f[5], 10, 54)
		written, err2 := strconv.ParseUint(f[9], 10, 54)
		if err != nil || err2 != nil {
			return traffic{}, errForm
		}
		t.in, t.out = t.in+read*sector, t.out+written*sector
	}
	return t, nil
}

// partition tells whether name is one of disk, which the kernel lists before it: sda1, nvme0n1p1.
func partition(name, disk string) bool {
	rest, ok := strings.CutPrefix(name, disk)
	rest = strings.TrimPrefix(rest, "p")
	_, err := strconv.Atoi(rest)
	return ok && err == nil
}

// parseLoad reads /proc/loadavg.
func parseLoad(text []byte) (float64, error) {
	f := strings.Fields(string(text))
	if len(f) < 3 {
		return 0, errForm
	}
	v, err := strconv.ParseFloat(f[0], 64)
	if err != nil || !(v >= 0 && v < 1e9) {
		return 0, errForm
	}
	return v, nil
}
