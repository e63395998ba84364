package spill

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// readChunk is how much of a segment Peek reads at once, unless one record is larger.
const readChunk = 256 << 10

// Peek returns the oldest records, at most most of them and about readChunk bytes; none when the queue is empty. They are the
// caller's and come again until Ack.
func (q *Queue) Peek(most int) ([][]byte, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	q.peeked = q.peeked[:0]
	for q.acked < q.next {
		s := q.segments[0]
		records, err := q.read(s, most)
		if err != nil {
			return nil, fmt.Errorf("spill: %w", err)
		}
		if len(records) > 0 {
			return records, nil
		}
		q.skip(s)
	}
	return nil, nil
}

// read returns records of s from the cursor on, none when the first of them is damaged.
func (q *Queue) read(s segment, most int) ([][]byte, error) {
	f, err := os.Open(q.path(s.first))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	at := q.cursor
	if at.offset == 0 {
		if at, err = seek(f, s, q.acked); err != nil || at.offset == 0 || at.number != q.acked {
			return nil, err
		}
	}
	b, err := chunk(f, at.offset, s.size)
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for at.number < s.end && len(records) < most {
		record, rest, err := nextRecord(b, at.number)
		if err != nil {
			break
		}
		at.offset += int64(len(b) - len(rest))
		at.number++
		records, b = append(records, record), rest
		q.peeked = append(q.peeked, at)
	}
	return records, nil
}

// chunk reads readChunk bytes at offset, or the whole record there, up to size.
func chunk(f *os.File, offset, size int64) ([]byte, error) {
	b, err := readAt(f, offset, min(readChunk, size-offset))
	if err != nil || len(b) < frameSize {
		return nil, err
	}
	if _, _, torn := nextRecord(b, 0); errors.Is(torn, errTorn) {
		return readAt(f, offset, min(frameSize+int64(binary.LittleEndian.Uint32(b)), size-offset))
	}
	return b, nil
}

func readAt(f *os.File, offset, n int64) ([]byte, error) {
	b := make([]byte, max(n, 0))
	got, err := f.ReadAt(b, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:got], nil
}

// skip gives up what is left of s, which is damaged.
func (q *Queue) skip(s segment) {
	q.stats.Lost += s.end - q.acked
	q.move(cursor{number: s.end, offset: s.size})
}

// Ack says that the first n records of the last Peek arrived. They do not come again, unless the process dies before the
// position is written. An error means that it may not have been written; the queue itself goes on.
func (q *Queue) Ack(n int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return ErrClosed
	case n < 0 || n > len(q.peeked):
		return fmt.Errorf("spill: %d records acknowledged of %d that were peeked", n, len(q.peeked))
	case n == 0:
		return nil
	}
	to := q.peeked[n-1]
	q.peeked = slices.Delete(q.peeked, 0, n)
	_, err := q.position.WriteAt(encodePosition(to.number), 0)
	q.step("positioned")
	q.move(to)
	if err != nil {
		return fmt.Errorf("spill position: %w", err)
	}
	return nil
}

// move brings the head of the queue to a record.
func (q *Queue) move(to cursor) {
	q.acked, q.cursor = to.number, to
	q.trim()
}

// trim removes the segments that are done with, except the one that Append goes on with.
func (q *Queue) trim() {
	for len(q.segments) > 0 && q.segments[0].end <= q.acked && (len(q.segments) > 1 || !q.open) {
		s := q.segments[0]
		q.segments = q.segments[1:]
		q.cursor = cursor{number: q.acked}
		if err := os.Remove(q.path(s.first)); err == nil || errors.Is(err, os.ErrNotExist) {
			q.bytes -= s.onDisk // else the next Open removes it
		}
		q.step("removed")
	}
}
