// Package atomicfile writes files that are whole or not there, and locks folders.
//
// In: a path and bytes. Out: after a return without error the file holds exactly these bytes, also after a power cut.
// On failure, or when the process dies in between, the old file is still there unchanged; at most a file named
// ".<name>.tmp-*" is left beside it, which Sweep removes.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const tempMark = ".tmp-"

// Write replaces the file at path by one that holds data.
func Write(path string, data []byte) error { return replace(path, 0o644, bytesOf(data)) }

// WritePrivate is Write for secrets: only the owner may read the file.
func WritePrivate(path string, data []byte) error { return replace(path, 0o600, bytesOf(data)) }

func bytesOf(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// WriteFunc replaces the file at path by what write writes (buffered). When write fails, nothing changes.
func WriteFunc(path string, write func(io.Writer) error) error { return replace(path, 0o644, write) }

func replace(path string, mode fs.FileMode, write func(io.Writer) error) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, "."+name+tempMark+"*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write %s: %w", path, err)
			_ = f.Close()           // already failing; closing twice is harmless
			_ = os.Remove(f.Name()) // best effort, Sweep finds it otherwise
		}
	}()
	buf := bufio.NewWriterSize(f, 64<<10)
	if err := write(buf); err != nil {
		return err
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes the creation, renaming and removal of files in dir survive a power cut.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	err = d.Sync()
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// Sweep removes the temporary files that writers left in dir when they were killed. Call it while nobody writes there.
func Sweep(dir string) error { return sweep(dir, func(fs.FileInfo) bool { return true }) }

// SweepBefore is Sweep for a folder that others may write to: it leaves what was written at t or later.
func SweepBefore(dir string, t time.Time) error {
	return sweep(dir, func(f fs.FileInfo) bool { return f.ModTime().Before(t) })
}

func sweep(dir string, old func(fs.FileInfo) bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") || !strings.Contains(e.Name(), tempMark) || !e.Type().IsRegular() {
			continue
		}
		if info, err := e.Info(); err == nil && old(info) {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
