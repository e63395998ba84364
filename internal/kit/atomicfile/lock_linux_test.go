package atomicfile

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A lock file that another user made, such as root with a backup, can be locked by whoever may read it.
func TestLockFileOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be two users")
	}
	path := filepath.Join(t.TempDir(), "lock")
	for dir := filepath.Dir(path); dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	release, err := Share(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // it ends with the goroutine, and is another user until then
		if err := unix.Setfsuid(65534); err != nil {
			failed <- err
			return
		}
		unlock, err := Lock(path)
		if err == nil {
			err = unlock()
		}
		failed <- err
	}()
	if err := <-failed; err != nil {
		t.Error(err)
	}
}
