package lake

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A lake with files and a database that knows nothing of it do not go together; an empty lake, a database that knows some of it
// and files of other people do.
func TestCheckManifest(t *testing.T) {
	l := openTest(t)
	put := func(name string) {
		t.Helper()
		path := localPath(l, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := newMemory()
	put("llm-requests/notes.parquet")
	put("mine/dt=2024-01-01/hour=3/a.parquet")
	if err := l.CheckManifest(t.Context(), m); err != nil {
		t.Error(err)
	}
	put("user-feedback/dt=2024-01-01/hour=3/a.parquet")
	if err := l.CheckManifest(t.Context(), m); err == nil || !strings.Contains(err.Error(), "user-feedback/dt=2024-01-01/hour=3/a.parquet") {
		t.Error(err)
	}
	if _, err := m.InitPosition(t.Context(), testTP, 0); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckManifest(t.Context(), m); err != nil {
		t.Error(err)
	}
}
