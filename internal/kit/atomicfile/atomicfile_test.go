package atomicfile_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWriteReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	for _, text := range []string{"first", "", "third, which is longer"} {
		if err := atomicfile.Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if got := files(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("folder holds %v", got)
	}
}

func TestFailedWriteLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	if err := atomicfile.Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err := atomicfile.WriteFunc(path, func(w io.Writer) error {
		_, _ = io.WriteString(w, strings.Repeat("new", 100_000))
		return boom
	})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if got := read(t, path); got != "old" {
		t.Errorf("got %q", got)
	}
	if got := files(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("folder holds %v", got)
	}
}

func TestWriteIntoMissingFolder(t *testing.T) {
	if err := atomicfile.Write(filepath.Join(t.TempDir(), "no", "state"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestSweepTakesOnlyTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{".state.tmp-123", "state", ".hidden", "x.tmp-1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.Sweep(dir); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files(t, dir), " "); got != ".hidden state x.tmp-1" {
		t.Errorf("left: %s", got)
	}
	if err := atomicfile.Sweep(filepath.Join(dir, "none")); err != nil {
		t.Error(err)
	}
}

func TestSweepBeforeLeavesWhatIsBeingWritten(t *testing.T) {
	dir, limit := t.TempDir(), time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for name, age := range map[string]time.Duration{".old.tmp-1": time.Second, ".new.tmp-1": 0, "old": time.Hour} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, limit.Add(-age), limit.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := atomicfile.SweepBefore(dir, limit); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files(t, dir), " "); got != ".new.tmp-1 old" {
		t.Errorf("left: %s", got)
	}
}

func TestLockIsExclusiveAndNamesTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := atomicfile.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := atomicfile.Lock(path); !errors.Is(err, atomicfile.ErrLocked) || !strings.Contains(err.Error(), "process ") {
		t.Errorf("second lock: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := atomicfile.Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again(); err != nil {
		t.Error(err)
	}
}

// A killed process must not leave its lock behind.
func TestLockEndsWithTheProcess(t *testing.T) {
	if path := os.Getenv("ATOMICFILE_TEST_LOCK"); path != "" {
		unlock, err := atomicfile.Lock(path)
		if err != nil {
			os.Stdout.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		defer unlock() // keeps the file from being collected, and with it the lock
		os.Stdout.WriteString("locked\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // select {} would end the process: nothing else runs in it
		return
	}
	path := filepath.Join(t.TempDir(), "lock")
	child := exec.Command(os.Args[0], "-test.run=^TestLockEndsWithTheProcess$")
	child.Env = append(os.Environ(), "ATOMICFILE_TEST_LOCK="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "locked\n" {
		t.Fatalf("child said %q, %v", line, err)
	}
	if _, err := atomicfile.Lock(path); !errors.Is(err, atomicfile.ErrLocked) {
		t.Errorf("while the child lives: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // "signal: killed"
	unlock, err := atomicfile.Lock(path)
	if err != nil {
		t.Fatalf("after the child was killed: %v", err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}

func TestWritePrivateIsForTheOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, text := range []string{"one", "two"} {
		if err := atomicfile.WritePrivate(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := read(t, path); got != text || info.Mode().Perm() != 0o600 {
			t.Errorf("%q with mode %v, want %q with mode 0600", got, info.Mode().Perm(), text)
		}
	}
}
