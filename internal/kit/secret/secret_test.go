package secret_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

func TestRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("A_SECRET", "hunter3")
	for where, want := range map[string]string{"file:" + file: "hunter2", "env:A_SECRET": "hunter3", "": ""} {
		if got, err := secret.Read(where); err != nil || got != want {
			t.Errorf("%s: %q, %v", where, got, err)
		}
	}
	for _, where := range []string{"file:" + file + "x", "env:NO_SUCH_SECRET", "file:" + filepath.Dir(file)} {
		if _, err := secret.Read(where); err == nil {
			t.Errorf("%s is read", where)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	for where, says := range map[string]string{write("empty", "\n"): "is empty", write("large", strings.Repeat("hunter2", 1000)): "4096 bytes", "env:NO_SUCH_SECRET": "NO_SUCH_SECRET"} {
		if _, err := secret.Read(where); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", where, err)
		}
	}
	if got, err := secret.ReadWith("env:X", func(name string) (string, bool) { return "of " + name, true }); err != nil || got != "of X" {
		t.Errorf("another environment: %q, %v", got, err)
	}
}
