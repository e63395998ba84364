package broker

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

// Parts of the reserve of the disk. Strangers' writes are refused below all of it, hxp's own below the smaller part: what they write lets
// the rest move on, and the engine must never see a disk that takes half a batch.
const (
	ownDisk  = 0.25
	lookEach = 5 * time.Millisecond // other programs fill a disk too, and a look costs a microsecond
)

// disk is the room that is left where the log lies.
type disk struct {
	dir     string // empty = in memory
	reserve int64
	look    func(dir string) int64 // FreeBytes, but for tests
	began   time.Time
	looked  atomic.Int64 // time since began; a clock that is set must not keep us from looking
	free    atomic.Int64 // bytes, as of then; -1 = not known
}

func newDisk(dir string, reserve int64) *disk {
	d := &disk{dir: dir, reserve: reserve, look: FreeBytes, began: time.Now()}
	d.free.Store(-1)
	d.looked.Store(-int64(time.Hour))
	return d
}

// room is how many bytes are free; -1 = not known, which is no reason to refuse anything.
func (d *disk) room() int64 {
	if d.dir == "" {
		return -1
	}
	now := int64(time.Since(d.began))
	if last := d.looked.Load(); now-last >= int64(lookEach) && d.looked.CompareAndSwap(last, now) {
		d.free.Store(d.look(d.dir))
	}
	return d.free.Load()
}

// full tells whether so little is left that writes are refused.
func (d *disk) full(own bool) bool {
	part := 1.0
	if own {
		part = ownDisk
	}
	free := d.room()
	return free >= 0 && float64(free) < part*float64(d.reserve)
}

// why says it for people.
func (d *disk) why() string {
	return fmt.Sprintf("the disk of the embedded broker is nearly full: %d MiB are free and %d MiB are kept in reserve (HXP_BROKER_DISK_RESERVE); make room", d.free.Load()>>20, d.reserve>>20)
}

// FreeBytes is the room that the file system of a folder has for us; -1 = not known.
func FreeBytes(dir string) int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return -1
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
