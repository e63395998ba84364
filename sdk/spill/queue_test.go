package spill

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
)

// The tests sync some thousand times; in memory that costs nothing, and a killed process is what they are about.
func TestMain(m *testing.M) {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		_ = os.Setenv("TMPDIR", "/dev/shm")
	}
	m.Run()
}

func open(t *testing.T, dir string, o Options) *Queue {
	t.Helper()
	q, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// record is the n-th record of a test: its number and a size that differs from its neighbours'.
func record(n int) []byte {
	return append([]byte(strconv.Itoa(n)+" "), bytes.Repeat([]byte{'x'}, n*7919%60)...)
}

func numberOf(t *testing.T, r []byte) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(string(r), "%d ", &n); err != nil || !bytes.Equal(r, record(n)) {
		t.Fatalf("record %q is none that was appended", r)
	}
	return n
}

func appendN(t *testing.T, q *Queue, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := q.Append(record(n)); err != nil {
			t.Fatal(err)
		}
	}
}

// drain takes everything out, some records at a time.
func drain(t *testing.T, q *Queue, most int) (numbers []int) {
	t.Helper()
	for {
		rs, err := q.Peek(most)
		if err != nil {
			t.Fatal(err)
		}
		if len(rs) == 0 {
			return numbers
		}
		for _, r := range rs {
			numbers = append(numbers, numberOf(t, r))
		}
		if err := q.Ack(len(rs)); err != nil {
			t.Fatal(err)
		}
	}
}

func consecutive(t *testing.T, numbers []int, from, to int) {
	t.Helper()
	if len(numbers) != to-from {
		t.Fatalf("%d records, want %d to %d: %v", len(numbers), from, to, numbers)
	}
	for i, n := range numbers {
		if n != from+i {
			t.Fatalf("record %d stands at place %d, which is %d's", n, i, from+i)
		}
	}
}

func TestOrderAndAcknowledgement(t *testing.T) {
	dir := t.TempDir()
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 300}
	q := open(t, dir, o)
	if rs, err := q.Peek(10); len(rs) != 0 || err != nil {
		t.Fatalf("an empty queue holds %q, %v", rs, err)
	}
	appendN(t, q, 0, 100)
	select {
	case <-q.More():
	default:
		t.Error("no signal of what was appended")
	}
	rs, err := q.Peek(3)
	if err != nil || len(rs) != 3 || numberOf(t, rs[0]) != 0 {
		t.Fatalf("%q, %v", rs, err)
	}
	if err := q.Ack(4); err == nil {
		t.Error("more acknowledged than was peeked")
	}
	if err := errors.Join(q.Ack(1), q.Ack(1)); err != nil {
		t.Fatal(err)
	}
	if s := q.Stats(); s.Records != 98 || s.Appended != 100 {
		t.Errorf("%+v", s)
	}
	if _, err := Open(dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Append(record(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("append after close: %v", err)
	}
	q = open(t, dir, o)
	select {
	case <-q.More():
	default:
		t.Error("no signal of what an earlier process left")
	}
	appendN(t, q, 100, 130)
	consecutive(t, drain(t, q, 7), 2, 130)
	if s := q.Stats(); s.Records != 0 || s.Bytes > 300+100 || s.Lost != 0 {
		t.Errorf("after everything arrived: %+v", s)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir, o)
	if s := q.Stats(); s.Records != 0 || s.Bytes != 0 {
		t.Errorf("reopened: %+v", s)
	}
	appendN(t, q, 130, 131)
	consecutive(t, drain(t, q, 7), 130, 131)
}

func TestFull(t *testing.T) {
	q := open(t, t.TempDir(), Options{MaxBytes: 2000, SegmentBytes: 500})
	n := 0
	var err error
	for ; err == nil; n++ {
		err = q.Append(record(n))
	}
	n--
	if s := q.Stats(); !errors.Is(err, ErrFull) || s.Refused != 1 || s.Bytes > 2000 || s.Records != uint64(n) || n < 30 {
		t.Fatalf("%v after %d, %+v", err, n, s)
	}
	rs, err := q.Peek(20)
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Ack(len(rs)); err != nil {
		t.Fatal(err)
	}
	appendN(t, q, n, n+5)
	consecutive(t, drain(t, q, 100), len(rs), n+5)
	if err := q.Append(make([]byte, MaxRecord+1)); err == nil {
		t.Error("a record over the limit was taken")
	}
}

// Records larger than what is read at once, and empty ones.
func TestSizes(t *testing.T) {
	q := open(t, t.TempDir(), Options{MaxBytes: 64 << 20, SegmentBytes: 8 << 20})
	var want [][]byte
	for _, n := range []int{0, 1, readChunk - frameSize - 1, readChunk, 0, 3*readChunk + 5, MaxRecord, 2} {
		r := bytes.Repeat([]byte{byte(n)}, n)
		want = append(want, r)
		if err := q.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	for len(want) > 0 {
		rs, err := q.Peek(3)
		if err != nil || len(rs) == 0 {
			t.Fatalf("%d records missing, %v", len(want), err)
		}
		for i, r := range rs {
			if !bytes.Equal(r, want[i]) {
				t.Fatalf("record of %d bytes instead of %d", len(r), len(want[i]))
			}
		}
		if err := q.Ack(len(rs)); err != nil {
			t.Fatal(err)
		}
		want = want[len(rs):]
	}
}

func TestManyAppendersOneConsumer(t *testing.T) {
	q := open(t, t.TempDir(), Options{MaxBytes: 1 << 20, SegmentBytes: 2000})
	const appenders, each = 4, 50
	var wg sync.WaitGroup
	for a := range appenders {
		wg.Go(func() {
			for n := range each {
				if err := q.Append(record(a*each + n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	last := map[int]int{}
	for got := 0; got < appenders*each; {
		<-q.More()
		for _, n := range drain(t, q, 9) {
			if before, ok := last[n/each]; ok && n <= before {
				t.Errorf("%d after %d", n, before)
			}
			last[n/each] = n
			got++
		}
	}
	wg.Wait()
}

// snapshot is the folder as a kill at some step leaves it, with what was promised by then.
type snapshot struct {
	step               string
	files              map[string][]byte
	acked              int // Ack of all below was called: they may come again
	returned, appended int // Append of all below returned, was called
}

func take(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if e.Name() == "lock" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
}

func lay(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// life runs a queue through appends and acknowledgements and takes a snapshot at each step between two writes.
func life(t *testing.T, o Options, rounds int) (all []snapshot) {
	q := open(t, t.TempDir(), o)
	var now snapshot
	q.step = func(name string) {
		s := now
		s.step, s.files = name, take(t, q.dir)
		all = append(all, s)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range rounds {
		var batch [][]byte
		for range 1 + random.IntN(4) {
			batch = append(batch, record(now.appended))
			now.appended++
		}
		if err := q.Append(batch...); err != nil {
			t.Fatal(err)
		}
		now.returned = now.appended
		if random.IntN(3) > 0 {
			rs, err := q.Peek(1 + random.IntN(5))
			if err != nil {
				t.Fatal(err)
			}
			now.acked += len(rs)
			if err := q.Ack(len(rs)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return all
}

// reopen checks that a queue in these files gives everything that it must, in order, and goes on working.
func (s snapshot) reopen(t *testing.T, o Options, files map[string][]byte) {
	t.Helper()
	q := open(t, lay(t, files), o)
	if err := q.Append(record(1_000_000)); err != nil {
		t.Fatal(err)
	}
	numbers := drain(t, q, 3)
	if n := len(numbers); n == 0 || numbers[n-1] != 1_000_000 {
		t.Fatalf("at %s: what is appended after the crash is gone: %v", s.step, numbers)
	}
	numbers = numbers[:len(numbers)-1]
	if len(numbers) == 0 {
		if s.acked < s.returned {
			t.Fatalf("at %s: %d to %d are gone", s.step, s.acked, s.returned)
		}
	} else if from, to := numbers[0], numbers[len(numbers)-1]+1; from > s.acked || to < s.returned || to > s.appended {
		t.Fatalf("at %s: %d to %d, but %d to %d were promised and %d appended", s.step, from, to, s.acked, s.returned, s.appended)
	} else {
		consecutive(t, numbers, from, to)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 400}
	steps := map[string]int{}
	for _, s := range life(t, o, 40) {
		s.reopen(t, o, s.files)
		steps[s.step]++
	}
	for _, step := range []string{"created", "written", "synced", "positioned", "removed"} {
		if steps[step] < 5 {
			t.Errorf("step %s was seen %d times", step, steps[step])
		}
	}
}

// A write that was torn at any byte takes nothing that was promised.
func TestTornAtAnyByte(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 400}
	for _, s := range life(t, o, 4) {
		if s.step != "written" {
			continue
		}
		name, before := newest(s.files), 0
		for n := 0; n < len(s.files[name]); n++ {
			files := map[string][]byte{}
			for f, b := range s.files {
				files[f] = b
			}
			files[name] = s.files[name][:n]
			if before == 0 { // find how much of the file was promised: the records below s.returned
				before = promised(s.files[name], name, s.returned)
			}
			if n >= before {
				s.reopen(t, o, files)
			}
		}
	}
}

func newest(files map[string][]byte) (newest string) {
	for name := range files {
		if _, ok := firstOf(name); ok && name > newest {
			newest = name
		}
	}
	return newest
}

// promised is where the records below number end in a segment.
func promised(b []byte, name string, number int) int {
	first, _ := firstOf(name)
	if first >= uint64(number) {
		return 0
	}
	rest := b[headSize:]
	for n := first; n < uint64(number); n++ {
		_, r, err := nextRecord(rest, n)
		if err != nil {
			return 0
		}
		rest = r
	}
	return len(b) - len(rest)
}

// A position that was lost, torn or is nonsense makes records come again, and nothing else.
func TestLostPosition(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 400}
	all := life(t, o, 30)
	last := all[len(all)-1]
	for _, position := range [][]byte{nil, {}, {1, 2, 3}, bytes.Repeat([]byte{0xff}, 12), last.files[positionName][:11]} {
		files := map[string][]byte{}
		for f, b := range last.files {
			files[f] = b
		}
		files[positionName] = position
		if position == nil {
			delete(files, positionName)
		}
		last.reopen(t, o, files)
	}
	// A position ahead of everything: all of it arrived, and numbers go on from there.
	files := map[string][]byte{positionName: encodePosition(5000)}
	q := open(t, lay(t, files), o)
	appendN(t, q, 0, 3)
	consecutive(t, drain(t, q, 10), 0, 3)
}

// What the disk damages is left out and counted; the rest arrives in order.
func TestDamageIsCounted(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 400}
	dir := t.TempDir()
	q := open(t, dir, o)
	appendN(t, q, 0, 60)
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	files := take(t, dir)
	second := q.segments[1]
	files[segmentName(second.first)][headSize+frameSize] ^= 0x40
	gone := q.segments[3]
	delete(files, segmentName(gone.first))
	q = open(t, lay(t, files), o)
	numbers := drain(t, q, 5)
	want := 60 - int(second.end-second.first) - int(gone.end-gone.first)
	if s := q.Stats(); len(numbers) != want || s.Lost != uint64(60-want) || s.Records != 0 {
		t.Errorf("%d records, want %d; %+v", len(numbers), want, s)
	}
	for i := 1; i < len(numbers); i++ {
		if numbers[i] <= numbers[i-1] {
			t.Errorf("%d after %d", numbers[i], numbers[i-1])
		}
	}
	// While it runs: what is appended after the damage in the open segment still arrives.
	q = open(t, t.TempDir(), Options{MaxBytes: 1 << 20})
	appendN(t, q, 0, 3)
	if _, err := q.tail.WriteAt([]byte{0xff}, headSize+frameSize); err != nil {
		t.Fatal(err)
	}
	consecutive(t, drain(t, q, 5), 0, 0)
	appendN(t, q, 3, 6)
	consecutive(t, drain(t, q, 5), 3, 6)
	if s := q.Stats(); s.Lost != 3 {
		t.Errorf("%+v", s)
	}
}

func TestForeignVersion(t *testing.T) {
	b := appendRecord(appendHead(nil, 0), 0, record(0))
	b[len(magic)-1] = '9'
	if _, err := Open(lay(t, map[string][]byte{segmentName(0): b}), Options{}); err == nil || !bytes.Contains([]byte(err.Error()), []byte(`version '9'`)) {
		t.Errorf("%v", err)
	}
}

// An Append that the disk refuses takes nothing, and the next one works.
func TestBrokenWrite(t *testing.T) {
	o := Options{MaxBytes: 1 << 20, SegmentBytes: 400}
	dir := t.TempDir()
	q := open(t, dir, o)
	breaks := true
	q.step = func(name string) {
		if breaks && name == "created" {
			_ = q.tail.Close()
		}
	}
	if err := q.Append(record(0)); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	breaks = false
	appendN(t, q, 0, 3)
	_ = q.tail.Close()
	if err := q.Append(record(3), record(4)); !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	appendN(t, q, 3, 5)
	if s := q.Stats(); s.Refused != 3 || s.Records != 5 {
		t.Errorf("%+v", s)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	consecutive(t, drain(t, open(t, dir, o), 2), 0, 5)
}
