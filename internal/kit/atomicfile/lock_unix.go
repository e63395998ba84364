//go:build unix

package atomicfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// Lock takes the lock file at path for this process and writes the process id into it. The lock ends with unlock or with
// the process, however it ends; the file stays. When another process (or this one) holds it, the error is ErrLocked and
// names the holder.
func Lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if errors.Is(err, fs.ErrPermission) { // another user made it, such as root with a backup
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := flock(f, unix.LOCK_EX); err != nil {
		holder := holderOf(f)
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w%s", path, ErrLocked, holder)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// The id is for people who read the error message; a failure to write it changes nothing.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f.Close, nil
}

// Share takes the lock file at path for this process and any others that share it: Lock gives ErrLocked meanwhile. It waits while somebody has the
// lock for himself.
func Share(ctx context.Context, path string) (unlock func() error, err error) {
	return Patiently(ctx, func() (func() error, error) { return share(path) })
}

// Patiently takes a lock as soon as nobody else holds it.
func Patiently(ctx context.Context, lock func() (unlock func() error, err error)) (unlock func() error, err error) {
	for {
		if unlock, err = lock(); !errors.Is(err, ErrLocked) {
			return unlock, err
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
	}
}

const lookAgain = 100 * time.Millisecond

func share(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := flock(f, unix.LOCK_SH); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f.Close, nil
}

// Holder tells whether a process holds the lock file at path, and which; 0 where that is not known. It leaves everything as it is.
func Holder(path string) (pid int, held bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	defer f.Close() // gives the lock back
	err = flock(f, unix.LOCK_SH)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return 0, false, err
	}
	pid, _ = strconv.Atoi(writtenIn(f))
	return pid, true, nil
}

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func holderOf(f *os.File) string {
	if pid := writtenIn(f); pid != "" {
		return " (process " + pid + ")"
	}
	return ""
}

// writtenIn is the process id in a lock file, "" for none.
func writtenIn(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
