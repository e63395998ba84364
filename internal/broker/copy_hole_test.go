package broker

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A segment that is gone when it is to be opened leaves a hole before those that come after it, however many these are.
func TestTakeTellsOfAHole(t *testing.T) {
	at, dir := place{"t", 0}, t.TempDir()
	for _, base := range []string{"0", "20", "30"} {
		path := filepath.Join(logDir(dir, at), base+".dat")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(base), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	h := &Held{dir, map[place]map[int64]*os.File{}}
	defer h.Close()
	if dropped, err := h.take(at, []segment{{base: 0}}); dropped || err != nil {
		t.Fatal(dropped, err)
	}
	dropped, err := h.take(at, []segment{{base: 0}, {base: 10}, {base: 20}, {base: 30}})
	if !dropped || err != nil || len(h.logs[at]) != 2 {
		t.Errorf("dropped %t, %v, %d segments", dropped, err, len(h.logs[at]))
	}
}
