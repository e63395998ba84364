package lake

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncFileSystem writes everything that the file system of dir holds back: one pass instead of one for each file.
func syncFileSystem(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
