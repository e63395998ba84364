package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

const indexEntry = 15 // bytes for one batch in an index file of the engine

// place is one partition.
type place struct {
	Topic     string
	Partition int32
}

func (p place) String() string { return p.Topic + "/" + strconv.Itoa(int(p.Partition)) }

// segment is one file of a log.
type segment struct {
	base     int64 // offset of its first record
	bytes    int64
	batches  int64 // by its index, of which the engine holds one entry in memory for each batch until the file goes
	modified time.Time
}

// scanLogs lists the segments of every partition, oldest first.
func scanLogs(dir string) (map[place][]segment, error) {
	root := filepath.Join(dir, "partitions")
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return map[place][]segment{}, nil
	}
	if err != nil {
		return nil, err
	}
	logs := make(map[place][]segment, len(entries))
	for _, e := range entries {
		at, ok := placeOf(e.Name())
		if !ok || !e.IsDir() {
			continue
		}
		list, err := scanLog(filepath.Join(root, e.Name()))
		if err != nil {
			return nil, err
		}
		logs[at] = list
	}
	return logs, nil
}

// placeOf reads the name of a partition's folder: the escaped topic, a dash, the partition.
func placeOf(name string) (place, bool) {
	i := strings.LastIndexByte(name, '-')
	if i < 0 {
		return place{}, false
	}
	p, err := strconv.ParseInt(name[i+1:], 10, 32)
	topic, err2 := url.PathUnescape(name[:i])
	return place{topic, int32(p)}, err == nil && err2 == nil
}

// escape is the inverse for the topic.
func escape(topic string) string { return url.PathEscape(topic) }

func scanLog(dir string) ([]segment, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the topic was deleted just now
	}
	if err != nil {
		return nil, err
	}
	var list []segment
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".dat")
		base, err := strconv.ParseInt(name, 10, 64)
		if !ok || err != nil {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted just now
		}
		if err != nil {
			return nil, err
		}
		s := segment{base: base, bytes: info.Size(), modified: info.ModTime()}
		if idx, err := os.Stat(filepath.Join(dir, name+".idx")); err == nil {
			s.batches = idx.Size() / indexEntry
		}
		list = append(list, s)
	}
	sorting.By(list, func(a, b segment) int { return int(min(max(a.base-b.base, -1), 1)) })
	return list, nil
}

// usage is how much the broker holds against how much it may. Between two looks at the files it counts what is written.
type usage struct {
	maxBytes, maxBatches int64
	bytes, batches       atomic.Int64
	disk                 *disk
	kick                 chan struct{} // told when cleaning should not wait for its turn
	blocked              atomic.Pointer[string]
}

func newUsage(c Config) *usage {
	return &usage{maxBytes: c.MaxBytes, maxBatches: c.MaxBatches, disk: newDisk(c.Dir, c.DiskReserve), kick: make(chan struct{}, 1)}
}

// Parts of the caps. Cleaning starts at the first, ends at the second; hxp's own topics may use the reserve above the caps.
const (
	cleanFrom = 0.80
	cleanTo   = 0.70
	reserve   = 1.25
)

func (u *usage) over(part float64) bool {
	return float64(u.bytes.Load()) > part*float64(u.maxBytes) || float64(u.batches.Load()) > part*float64(u.maxBatches)
}

// admit counts a write, or refuses it because a cap is reached or the disk has no room.
func (u *usage) admit(bytes, batches int64, own bool) bool {
	part := 1.0
	if own {
		part = reserve
	}
	if u.disk.full(own) || u.over(part) {
		u.wake()
		return false
	}
	u.bytes.Add(bytes)
	u.batches.Add(batches)
	if u.over(cleanFrom) {
		u.wake()
	}
	return true
}

func (u *usage) wake() {
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// full tells whether strangers' writes are refused, and why.
func (u *usage) full() (bool, string) {
	if u.disk.full(false) {
		return true, u.disk.why()
	}
	if !u.over(1) {
		return false, ""
	}
	why := fmt.Sprintf("the embedded broker holds %d MiB in %d batches; %d MiB and %d are allowed",
		u.bytes.Load()>>20, u.batches.Load(), u.maxBytes>>20, u.maxBatches)
	if who := u.blocked.Load(); who != nil {
		why += "; " + *who
	}
	return true, why + " (raise HXP_BROKER_MAX_BYTES, or use Apache Kafka)"
}
