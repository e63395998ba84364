package quota

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestDayOutlivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "quota", "book.json")
	p := Policy{Day: 100, Rate: 1000}
	b := New(p)
	if err := b.Recall(path, noon); err != nil {
		t.Errorf("a file that is not there yet: %v", err)
	}
	b.Take("a", 60, noon)
	b.Take("b", 30, noon)
	b.GiveBack("b", 30, noon)
	if err := b.Keep(path, noon); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	b = New(p)
	if err := b.Recall(path, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if v := b.Take("a", 41, noon.Add(time.Minute)); v.Exceeded != Day {
		t.Errorf("%+v: 60 of 100 were brought before the restart", v)
	}
	if v := b.Take("b", 100, noon.Add(time.Minute)); v.Exceeded != None {
		t.Errorf("%+v: what was given back does not count", v)
	}
	b = New(p)
	if err := b.Recall(path, noon.Add(12*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if v := b.Take("a", 100, noon.Add(12*time.Hour)); v.Exceeded != None {
		t.Errorf("%+v: it is another day", v)
	}
}

func TestNothingNewIsNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "book.json")
	b := New(Policy{Day: 100})
	b.Take("a", 1, noon)
	for range 2 {
		if err := b.Keep(path, noon); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Keep(path, noon); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it was written again: %v", err)
	}
}

func TestBooksThatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"{":                                    "unexpected end",
		`{"version":2}`:                        "version 2 is not known here",
		`{"version":1,"used":{"a":-1}}`:        `sender "a" has -1 events`,
		`{"version":1,"day":1,"used":{"a":x}}`: "invalid character",
	} {
		path := filepath.Join(t.TempDir(), "book.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := New(Policy{Day: 1}).Recall(path, noon); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzKept(f *testing.F) {
	f.Add([]byte(`{"version":1,"day":20240,"used":{"10.0.0.1":5}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := parseKept(text)
		for name, n := range k.Used {
			if err == nil && n < 0 {
				t.Errorf("%q has %d", name, n)
			}
		}
	})
}

func TestMoreThanAWholeDay(t *testing.T) {
	b := New(Policy{Day: 100, Rate: 1})
	if v := b.Take("a", 101, noon); !v.Never || v.Exceeded != Day || v.States[0].Remaining != 10 {
		t.Errorf("%+v", v)
	}
	if v := b.Take("a", 1, noon); v.Exceeded != None {
		t.Errorf("it was counted: %+v", v)
	}
}
