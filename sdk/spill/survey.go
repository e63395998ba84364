package spill

import (
	"fmt"
	"os"
	"slices"
)

// survey finds the segments that an earlier process left and what each holds.
func (q *Queue) survey() error {
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	var firsts []uint64
	for _, e := range entries {
		if first, ok := firstOf(e.Name()); ok && e.Type().IsRegular() {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	for i, first := range firsts {
		bound, last := ^uint64(0), i == len(firsts)-1
		if !last {
			bound = firsts[i+1] // what a failed Append may have left from there on was appended again
		}
		s, err := q.inspect(first, bound)
		if err != nil {
			return err
		}
		if last && s.end == first { // begun and never filled; its name is free for the next one
			if err := os.Remove(q.path(first)); err != nil {
				return err
			}
			continue
		}
		if !last {
			s.end = bound // what is missing up to there is damaged, and Peek counts it
		}
		q.segments = append(q.segments, s)
	}
	return nil
}

// inspect reads a segment up to the first record that is not whole, or up to number bound.
func (q *Queue) inspect(first, bound uint64) (segment, error) {
	s := segment{first: first, end: first}
	f, err := os.Open(q.path(first))
	if err != nil {
		return s, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return s, err
	}
	s.onDisk = info.Size()
	at, err := seek(f, segment{first: first, end: bound, size: s.onDisk}, bound)
	if at.offset > 0 {
		s.end, s.size = at.number, at.offset
	}
	return s, err
}

// seek walks from the head of a segment to record number, or to the last place before it that can be reached. The offset is 0
// when even the head is not whole.
func seek(f *os.File, s segment, number uint64) (cursor, error) {
	at := cursor{number: s.first}
	head, err := readAt(f, 0, min(headSize, s.size))
	if err != nil {
		return at, err
	}
	if !headOf(head, s.first) {
		if known := magic[:len(magic)-1]; len(head) >= len(magic) && string(head[:len(known)]) == known && string(head[:len(magic)]) != magic {
			return at, fmt.Errorf("%s has version %q of the format, this program knows %q: use the program that wrote it", f.Name(), head[len(known)], magic[len(known)])
		}
		return at, nil
	}
	at.offset = headSize
	for at.number < number && at.offset < s.size {
		b, err := chunk(f, at.offset, s.size)
		if err != nil {
			return at, err
		}
		before := at.number
		for at.number < number {
			_, rest, err := nextRecord(b, at.number)
			if err != nil {
				break
			}
			at.offset += int64(len(b) - len(rest))
			at.number++
			b = rest
		}
		if at.number == before {
			break
		}
	}
	return at, nil
}
