package app

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// diskUsage is the share of the file system of a folder that is in use, as df tells it: what only root may use counts as used up.
func diskUsage(folder string) (used float64, known bool) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || fs.Blocks == 0 {
		return 0, false
	}
	taken := fs.Blocks - fs.Bfree
	return float64(taken) / float64(taken+fs.Bavail), true
}

// syncDisk writes everything that the file system of a folder holds back: one pass instead of one for each file.
func syncDisk(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
