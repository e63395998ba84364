package spill

import (
	"bytes"
	"testing"
)

// Whatever lies in a segment, reading it neither panics nor invents a record: what comes out, framed again, is a prefix of
// what was read.
func FuzzSegment(f *testing.F) {
	whole := appendHead(nil, 7)
	for n := range 3 {
		whole = appendRecord(whole, uint64(7+n), record(n))
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte{})
	f.Add(appendRecord(appendHead(nil, 8), 8, nil))
	f.Add(append(appendHead(nil, 7), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		files := map[string][]byte{segmentName(7): b}
		q, err := Open(lay(t, files), Options{})
		if err != nil {
			return // another version of the format
		}
		defer q.Close()
		back := appendHead(nil, 7)
		for number := uint64(7); ; {
			rs, err := q.Peek(2)
			if err != nil {
				t.Fatal(err)
			}
			if len(rs) == 0 {
				break
			}
			for _, r := range rs {
				back = appendRecord(back, number, r)
				number++
			}
			if err := q.Ack(len(rs)); err != nil {
				t.Fatal(err)
			}
		}
		if int64(len(back)) > headSize && !bytes.HasPrefix(b, back) {
			t.Fatalf("read %x from %x", back, b)
		}
	})
}
