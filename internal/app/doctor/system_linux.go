package doctor

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// process is one of this machine.
type process struct {
	pid  int
	name string
}

// listening is the process that listens on a port, as far as /proc tells: the files of other users' processes are root's to see.
func listening(port int) (process, bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, socket := range sockets(table, port) {
			if p, known := holding("socket:[" + socket + "]"); known {
				return p, true
			}
		}
	}
	return process{}, false
}

// sockets are the inodes of the sockets that listen on a port.
func sockets(table string, port int) (inodes []string) {
	f, err := os.Open(table)
	if err != nil {
		return nil
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		const state, listen, inode = 3, "0A", 9
		if f := strings.Fields(lines.Text()); len(f) > inode && f[state] == listen && strings.HasSuffix(f[1], suffix) {
			inodes = append(inodes, f[inode])
		}
	}
	return inodes
}

// holding is the process that has a file open by this name.
func holding(file string) (process, bool) {
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range procs {
		fds, err := os.ReadDir(dir + "/fd")
		if err != nil {
			continue // another user's, or it has ended
		}
		for _, fd := range fds {
			if to, err := os.Readlink(dir + "/fd/" + fd.Name()); err != nil || to != file {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(dir))
			name, _ := os.ReadFile(dir + "/comm")
			return process{pid, strings.TrimSpace(string(name))}, true
		}
	}
	return process{}, false
}

// space is what a file system has.
type space struct{ total, free, files, freeFiles uint64 }

// spaceOf counts what only root may use as used up, as df does.
func spaceOf(path string) (space, bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return space{}, false
	}
	block := uint64(s.Bsize) // its type differs by processor
	return space{(s.Blocks - s.Bfree + s.Bavail) * block, s.Bavail * block, s.Files, s.Ffree}, true
}

// openFiles is how many files a process may have open. The runtime raises the soft limit to the hard one.
func openFiles() (most uint64, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	return l.Max, true
}

// synchronised tells whether the kernel knows its clock as kept right from outside.
func synchronised() (synced, known bool) {
	const errorState, unsynced = 5, 0x40 // TIME_ERROR, STA_UNSYNC
	var t syscall.Timex
	state, err := syscall.Adjtimex(&t) // sets nothing
	return state != errorState && t.Status&unsynced == 0, err == nil
}

// memoryOf is what a process can have, and of what: its control group, or the machine.
func memoryOf() (bytes int64, of string) {
	of = "this machine"
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "MemTotal:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				bytes = kib << 10
			}
		}
	}
	for _, file := range controlFiles() {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (bytes == 0 || n < bytes) {
			bytes, of = n, "the control group of this process"
		}
	}
	return bytes, of
}

// controlFiles hold the limits of the control group of this process, version 2 or 1, and of those above it.
func controlFiles() (files []string) {
	files = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return files
	}
	for line := range strings.Lines(string(text)) {
		if path, two := strings.CutPrefix(strings.TrimSpace(line), "0::"); two {
			for at := path; at != "/" && at != "." && at != ""; at = filepath.Dir(at) {
				files = append(files, filepath.Join("/sys/fs/cgroup", at, "memory.max"))
			}
		}
	}
	return files
}

// ownerOf is the name of the user to whom a file belongs.
func ownerOf(info fs.FileInfo) string {
	if s, told := info.Sys().(*syscall.Stat_t); told {
		return userName(int(s.Uid))
	}
	return "somebody"
}
