package stream

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that differs from what was written in any byte, or in length, does not read back.
func TestReadsBack(t *testing.T) {
	data := make([]byte, 600<<10) // more than two pieces
	for i := range data {
		data[i] = byte(i * 7)
	}
	path := filepath.Join(t.TempDir(), "snapshot")
	for name, change := range map[string]func([]byte) []byte{
		"a byte in the first piece": func(b []byte) []byte { b[10]++; return b },
		"the last byte":             func(b []byte) []byte { b[len(b)-1]++; return b },
		"cut short":                 func(b []byte) []byte { return b[:len(b)-1] },
		"cut at a piece":            func(b []byte) []byte { return b[:256<<10] },
		"longer":                    func(b []byte) []byte { return append(b, 0) },
		"empty":                     func([]byte) []byte { return nil },
	} {
		if err := os.WriteFile(path, change(append([]byte(nil), data...)), 0o644); err != nil {
			t.Fatal(err)
		}
		if readsBack(path, data) == nil {
			t.Errorf("%s: it reads back", name)
		}
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := readsBack(path, data); err != nil {
		t.Error(err)
	}
}

// While a snapshot is on its way no other lane takes the buffer; who ends waits for it.
func TestOneSnapshotAtATime(t *testing.T) {
	d := newDesk()
	room, free := d.take(false)
	if !free {
		t.Fatal("a new desk is not free")
	}
	if _, free := d.take(false); free {
		t.Fatal("the buffer was given twice")
	}
	f := snapshotFile{data: append(room, "state"...), done: make(chan struct{})}
	got := make(chan int)
	go func() {
		room, _ := d.take(true)
		got <- cap(room)
	}()
	d.finish(f)
	<-f.done
	if n := <-got; n < len("state") {
		t.Errorf("the buffer came back with room for %d bytes", n)
	}
}
