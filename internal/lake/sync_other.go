//go:build !linux

package lake

import (
	"fmt"
	"runtime"
	"syscall"
)

// syncFileSystem writes everything that the system holds back: there is no call for one file system here.
func syncFileSystem(string) error {
	if err := syscall.Sync(); err != nil {
		return fmt.Errorf("sync on %s: %w", runtime.GOOS, err)
	}
	return nil
}
