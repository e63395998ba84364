package broker

import (
	"errors"
	"io"
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
	h := &Held{dir: dir, logs: map[place]map[int64]*os.File{}}
	defer h.Close()
	if dropped, err := h.take(at, []segment{{base: 0}}); dropped || err != nil {
		t.Fatal(dropped, err)
	}
	dropped, err := h.take(at, []segment{{base: 0}, {base: 10}, {base: 20}, {base: 30}})
	if !dropped || err != nil || len(h.logs[at]) != 2 {
		t.Errorf("dropped %t, %v, %d segments", dropped, err, len(h.logs[at]))
	}
}

// Where logs start is copied as of Hold. Positions of readers are copied after it, so none of them lies before the start of its log.
func TestLogsStartAsHeld(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put("log/topics.json", `{"version":1,"topics":[]}`)
	put(arrivalsFile, "starts at 10")
	h, err := Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	put(arrivalsFile, "starts at 500") // retention went on, behind readers that had read
	files, err := h.Cut(func(string) int { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if text, err := io.ReadAll(io.NewSectionReader(f.Body, 0, f.Size)); f.Name == arrivalsFile {
			if string(text) != "starts at 10" || err != nil {
				t.Errorf("the copy %s, %v", text, err)
			}
			return
		}
	}
	t.Error("the copy does not say where logs start")
}
