package agg

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenCells have every part and every representation. Their bytes lie in testdata: bytes like them are kept for years in
// journals and tables, so when this test fails the version must be raised and the old one stay readable.
func goldenCells() map[string]*Cell {
	cells := map[string]*Cell{"empty": {}, "mixed": statsCell(), "one": {}, "two": {}, "busy": {}, "crowd": {}}
	cells["one"].Add(request("anna", "s", 1_234_567_891), false)
	cells["two"].Add(request("anna", "s", 1_234_567_891), false)
	cells["two"].Add(request("ben", "s", 1_000), true)
	d := newDice(42)
	for range 3000 {
		cells["busy"].Add(d.event(400, 80, 1e12), d.maybe(5))
	}
	for i := range 20_000 {
		cells["crowd"].Add(request(fmt.Sprint("user-", i), fmt.Sprint("session-", i/50), 1e9+int64(i)), false)
	}
	return cells
}

func TestGoldenBytes(t *testing.T) {
	for name, c := range goldenCells() {
		file := filepath.Join("testdata", name+".v1.hex")
		got := c.Append(nil)
		if *update {
			if err := os.MkdirAll("testdata", 0o777); err != nil {
				t.Fatal(err)
			}
			var lines bytes.Buffer
			for b := got; len(b) > 0; b = b[min(64, len(b)):] {
				fmt.Fprintf(&lines, "%x\n", b[:min(64, len(b))])
			}
			if err := os.WriteFile(file, lines.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(string(bytes.ReplaceAll(text, []byte("\n"), nil)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the bytes of a cell changed: %x, want %x", name, got, want)
		}
		var d Cell
		if rest, err := d.Decode(want); err != nil || len(rest) != 0 || !d.Equal(c) {
			t.Errorf("%s: stored bytes are not read: %v", name, err)
		}
		t.Logf("%s: %d events in %d bytes", name, c.Events, len(got))
	}
}

// Bytes cut off anywhere are refused, and the cell is empty then.
func TestDecodeCutOff(t *testing.T) {
	for name, c := range goldenCells() {
		b := c.Append(nil)
		step := 1 + len(b)/2000
		for n := 0; n < len(b); n += step {
			d := statsCell()
			if rest, err := d.Decode(b[:n]); !errors.Is(err, ErrEncoding) || !d.Empty() || len(rest) != n {
				t.Fatalf("%s: %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestDecodeRefusesOtherVersions(t *testing.T) {
	b := statsCell().Append(nil)
	for _, v := range []byte{0, 2, 255} {
		b[0] = v
		if _, err := new(Cell).Decode(b); !errors.Is(err, ErrEncoding) {
			t.Errorf("version %d: %v", v, err)
		}
	}
}

// What Decode takes, Append gives back byte for byte; it can be merged, shown and copied. No input makes it panic or take
// memory out of proportion.
func FuzzDecode(f *testing.F) {
	for _, c := range goldenCells() {
		b := c.Append(nil)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	other := statsCell()
	f.Fuzz(func(t *testing.T, data []byte) {
		var c Cell
		rest, err := c.Decode(data)
		if err != nil {
			if !errors.Is(err, ErrEncoding) || !c.Empty() || len(rest) != len(data) {
				t.Fatalf("%v, %d events, %d bytes left", err, c.Events, len(rest))
			}
			return
		}
		read := data[:len(data)-len(rest)]
		if got := c.Append(nil); !bytes.Equal(got, read) {
			t.Fatalf("read %x, written %x", read, got)
		}
		if n, most := c.memory(), 64*len(read)+24<<10; n > most {
			t.Fatalf("%d bytes of memory from %d", n, len(read))
		}
		if _, err := json.Marshal(c.Stats(60)); err != nil {
			t.Fatal(err)
		}
		a, b := c.Clone(), other.Clone()
		a.Merge(other)
		b.Merge(&c)
		if !a.Equal(b) {
			t.Fatalf("a+b and b+a differ")
		}
		if s := a.Stats(60); s.Events != c.Events+other.Events {
			t.Fatalf("%d events", s.Events)
		}
		reused := statsCell()
		if _, err := reused.Decode(read); err != nil || !reused.Equal(&c) {
			t.Fatalf("into used memory: %v", err)
		}
	})
}

// memory returns the bytes that c holds beside itself.
func (c *Cell) memory() (n int) {
	for _, m := range []*Measure{&c.Latency, &c.TTFT, &c.TPOT} {
		if m.more != nil {
			s := &m.more.sketch
			n += 128 + 4*cap(s.dense) + 8*cap(s.sparse) + 8*cap(s.high)
		}
	}
	for _, d := range []*Distinct{&c.Users, &c.Sessions} {
		if d.set != nil {
			n += 56 + 8*cap(d.set.hashes) + cap(d.set.regs)
		}
	}
	for i := range c.System.Gauges {
		n += 56 + len(c.System.Gauges[i].Name)
		if a := c.System.Gauges[i].Sum.acc; a != nil {
			n += 32 + 8*cap(a.limb)
		}
	}
	return n
}
