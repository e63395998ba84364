package spill

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Errors that callers tell apart with errors.Is.
var (
	ErrFull   = errors.New("the spill is full")
	ErrInUse  = errors.New("the spill is used by another process")
	ErrClosed = errors.New("the spill is closed")
)

// Options tune a Queue. The zero value is right for events.
type Options struct {
	MaxBytes     int64 // disk that the queue may take; 0 = 256 MiB
	SegmentBytes int64 // of one file, which goes as a whole when it is delivered; 0 = 1/32 of MaxBytes
}

func (o Options) settled() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 256 << 20
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = o.MaxBytes / 32
	}
	o.SegmentBytes = min(o.SegmentBytes, o.MaxBytes/4)
	return o
}

// Stats tell what a queue holds and what happened to it since Open.
type Stats struct {
	Records  uint64 // wait for acknowledgement
	Bytes    int64  // on the disk
	Appended uint64 // records
	Refused  uint64 // records that Append did not take
	Lost     uint64 // records that the disk damaged before they were delivered
}

// Queue is a bounded queue on disk. Append may be called from any goroutine; Peek and Ack belong to one consumer.
type Queue struct {
	dir      string
	opts     Options
	unlock   func() error
	position *os.File
	step     func(name string) // tests look at the folder between two steps

	appending sync.Mutex // one Append at a time, while the disk works; taken before mu
	tail      *os.File   // segment that Append goes on with; nil = begin another one

	mu       sync.Mutex
	segments []segment // oldest first
	open     bool      // the last segment is the one behind tail
	acked    uint64    // number of the first record that waits
	next     uint64    // number of the next record
	cursor   cursor    // where acked lies
	peeked   []cursor  // where each record that was peeked ends
	bytes    int64
	stats    Stats
	closed   bool
	more     chan struct{}
}

// segment is one file: records [first, end), of which only bytes below size count.
type segment struct {
	first, end uint64
	size       int64
	onDisk     int64 // more than size when the tail is torn
}

// cursor is the place of a record: its number and where its frame begins.
type cursor struct {
	number uint64
	offset int64
}

// Open opens the queue in dir, which is made when it is missing.
func Open(dir string, o Options) (*Queue, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spill folder: %w", err)
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("spill folder %s: %w", dir, err)
	}
	q := &Queue{dir: dir, opts: o.settled(), unlock: unlock, step: func(string) {}, more: make(chan struct{}, 1)}
	if err := q.recover(); err != nil {
		_ = unlock()
		return nil, fmt.Errorf("spill folder %s: %w", dir, err)
	}
	return q, nil
}

// recover reads what an earlier process left.
func (q *Queue) recover() (err error) {
	if q.position, err = os.OpenFile(filepath.Join(q.dir, positionName), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if q.acked, err = readPosition(q.position); err == nil {
		err = q.survey()
	}
	if err != nil {
		_ = q.position.Close()
		return err
	}
	q.next = q.acked // numbers that were given are never given again, also when their segments are gone
	if n := len(q.segments); n > 0 {
		q.next = max(q.next, q.segments[n-1].end)
		q.acked = max(q.acked, q.segments[0].first)
	}
	for _, s := range q.segments {
		q.bytes += s.onDisk
	}
	q.cursor = cursor{number: q.acked}
	q.trim()
	if q.acked < q.next {
		q.more <- struct{}{}
	}
	return nil
}

// More holds a signal when records were appended since the last one was taken.
func (q *Queue) More() <-chan struct{} { return q.more }

// Stats tells how the queue is.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Records, s.Bytes = q.next-q.acked, q.bytes
	return s
}

// Close ends the queue. What waits in it waits for the next Open.
func (q *Queue) Close() error {
	q.appending.Lock()
	defer q.appending.Unlock()
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	var errs []error
	if q.tail != nil {
		errs = append(errs, q.tail.Close())
	}
	return errors.Join(append(errs, q.position.Close(), q.unlock())...)
}

func (q *Queue) path(first uint64) string { return filepath.Join(q.dir, segmentName(first)) }
