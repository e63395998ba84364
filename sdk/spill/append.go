package spill

import (
	"fmt"
	"os"
)

// Append adds records behind all others. It returns nil when they lie on the disk; otherwise none of them is in the queue.
// Appends that wait for each other share nothing: gather records and append them together.
func (q *Queue) Append(records ...[]byte) error {
	if len(records) == 0 {
		return nil
	}
	q.appending.Lock()
	defer q.appending.Unlock()
	if err := q.append(records); err != nil {
		q.mu.Lock()
		q.stats.Refused += uint64(len(records))
		q.mu.Unlock()
		return fmt.Errorf("spill of %d records to %s: %w", len(records), q.dir, err)
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
	return nil
}

func (q *Queue) append(records [][]byte) error {
	var size int64
	for _, r := range records {
		if len(r) > MaxRecord {
			return fmt.Errorf("record of %d bytes; at most %d are taken", len(r), MaxRecord)
		}
		size += frameSize + int64(len(r))
	}
	first, at, err := q.place(size)
	if err != nil {
		return err
	}
	b := make([]byte, 0, headSize+size)
	if at == 0 {
		b = appendHead(b, first)
	}
	for i, r := range records {
		b = appendRecord(b, first+uint64(i), r)
	}
	if err := q.write(b, first, at); err != nil {
		return err
	}
	q.publish(at == 0, first, first+uint64(len(records)), at+int64(len(b)))
	return nil
}

// place says where records of this size go: the number of the first one and the offset in the tail, 0 for another segment.
func (q *Queue) place(size int64) (first uint64, at int64, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, 0, ErrClosed
	}
	if q.open {
		at = q.segments[len(q.segments)-1].size
		if at+size > q.opts.SegmentBytes {
			_ = q.tail.Close() // all of it is synced
			q.tail, q.open, at = nil, false, 0
			q.trim()
		}
	}
	if at == 0 {
		size += headSize
	}
	if q.bytes+size > q.opts.MaxBytes {
		return 0, 0, fmt.Errorf("%w: %d of %d bytes taken", ErrFull, q.bytes, q.opts.MaxBytes)
	}
	return q.next, at, nil
}

// write puts b at its place and syncs it. When that fails, nothing of it is left that could be taken for records.
func (q *Queue) write(b []byte, first uint64, at int64) (err error) {
	fresh := at == 0
	if fresh {
		// Nothing that lies under this name was ever acknowledged to anybody: a number is given once.
		if q.tail, err = os.OpenFile(q.path(first), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600); err != nil {
			return err
		}
		q.step("created")
	}
	_, err = q.tail.WriteAt(b, at)
	q.step("written")
	if err == nil {
		err = q.tail.Sync()
	}
	if err == nil && fresh {
		err = syncDir(q.dir)
	}
	if err == nil {
		q.step("synced")
		return nil
	}
	// After a failed sync nobody knows what the disk holds: cut it off and begin another segment the next time.
	_ = q.tail.Truncate(at)
	_ = q.tail.Close()
	q.tail = nil
	q.mu.Lock()
	q.open = false
	q.mu.Unlock()
	if fresh {
		_ = os.Remove(q.path(first))
	}
	return err
}

// publish lets Peek see the records [first, next) that end at size in the tail.
func (q *Queue) publish(fresh bool, first, next uint64, size int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if fresh {
		q.segments = append(q.segments, segment{first: first})
		q.open = true
	}
	s := &q.segments[len(q.segments)-1]
	q.bytes += size - s.onDisk
	s.end, s.size, s.onDisk = next, size, size
	q.next = next
	q.stats.Appended += next - first
}

// syncDir makes the name of a new segment durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
