package spill

import (
	"errors"
	"os/signal"
	"syscall"
	"testing"
)

// A disk that takes only the first bytes of a write, as a full one does: nothing of the Append counts, what was there before
// stays, and when there is room again the queue goes on.
func TestDiskTakesHalfOfAWrite(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 100_000}
	dir := t.TempDir()
	q := open(t, dir, o)
	appendN(t, q, 0, 10)
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	room := func(bytes uint64) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
	}
	room(uint64(q.segments[0].size) + 60)
	err := q.Append(record(10), record(11), record(12))
	first := q.Append(record(10), record(11), record(12), record(13)) // in a segment of its own, which does not fit either
	room(before.Cur)
	if !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("%v", err)
	}
	if first != nil && !errors.Is(first, syscall.EFBIG) {
		t.Fatal(first)
	}
	from := 10
	if first == nil {
		from = 14
	}
	appendN(t, q, from, 20)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	consecutive(t, drain(t, open(t, dir, o), 100), 0, 20)
}
