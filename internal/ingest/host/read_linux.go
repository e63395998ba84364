package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// maxFile bounds a file of /proc.
const maxFile = 1 << 20

// read reads what the machine tells; proc is /proc, folders are on the file systems that count. What cannot be read is left
// out and in the error.
func read(proc string, folders []string) (*reading, error) {
	r := &reading{at: time.Now()}
	var errs []error
	file := func(has *bool, name string, parse func([]byte) error) {
		text, err := small(filepath.Join(proc, name))
		if err == nil {
			err = parse(text)
		}
		if *has = err == nil; err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	file(&r.has.cpu, "stat", func(b []byte) (err error) { r.cpu, err = parseStat(b); return err })
	file(&r.has.mem, "meminfo", func(b []byte) (err error) { r.mem, err = parseMeminfo(b); return err })
	file(&r.has.net, "net/dev", func(b []byte) (err error) { r.net, err = parseNetDev(b); return err })
	file(&r.has.io, "diskstats", func(b []byte) (err error) { r.io, err = parseDiskstats(b); return err })
	file(&r.has.load, "loadavg", func(b []byte) (err error) { r.load, err = parseLoad(b); return err })
	var err error
	if r.disk, err = spaceOf(folders); err != nil {
		errs = append(errs, err)
	}
	r.has.disk = r.disk.all > 0
	return r, errors.Join(errs...)
}

func small(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// spaceOf adds up the file systems that the folders lie on, each once.
func spaceOf(folders []string) (s space, err error) {
	seen := map[uint64]bool{}
	for _, folder := range folders {
		var st unix.Stat_t
		var fs unix.Statfs_t
		if err = errors.Join(unix.Stat(folder, &st), unix.Statfs(folder, &fs)); err != nil {
			return s, fmt.Errorf("%s: %w", folder, err)
		}
		if !seen[st.Dev] {
			seen[st.Dev] = true
			s.available += fs.Bavail * uint64(fs.Bsize)
			s.all += fs.Blocks * uint64(fs.Bsize)
		}
	}
	return s, nil
}
