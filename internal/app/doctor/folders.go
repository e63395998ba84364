package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// Folder is one that hxp writes to.
type Folder struct{ Name, Path, Setting string }

// folders tells of folders, of the room on their disks, and of what an hxp before has left in them.
func (p *Plan) folders() []check {
	checks := []check{
		{"data folder", local, func(context.Context) Finding { return writable(Folder{"data folder", p.DataDir, "HXP_DATA_DIR"}) }},
		{"data folder in use", local, func(context.Context) Finding { return p.claimed() }},
		{"disk of the data folder", local, func(context.Context) Finding { return p.room() }},
		{"last crash", local, func(context.Context) Finding { return crash(p.CrashLog) }},
	}
	for _, f := range p.Folders {
		checks = append(checks,
			check{f.Name, local, func(context.Context) Finding { return writable(f) }},
			check{"disk of the " + f.Name, local, func(context.Context) Finding { return room(f.Path) }})
	}
	return checks
}

// nearest is the folder itself, or the first one above it that exists.
func nearest(path string) (at string, info fs.FileInfo, err error) {
	if at, err = filepath.Abs(path); err != nil {
		return path, nil, err
	}
	for {
		info, err = os.Stat(at)
		above := filepath.Dir(at)
		if err == nil || above == at || !(errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
			return at, info, err
		}
		at = above
	}
}

// writable tries a folder with a file that it takes away again.
func writable(f Folder) Finding {
	at, info, err := nearest(f.Path)
	elsewhere := "choose another with " + f.Setting
	switch {
	case err != nil:
		return fail(elsewhere, "%s cannot be looked at: %v", at, err)
	case !info.IsDir():
		return fail(fmt.Sprintf("take the file %s away, or %s", at, elsewhere), "%s cannot be made: %s is no folder", f.Path, at)
	}
	try, err := os.CreateTemp(at, ".hxp-doctor-*")
	if err == nil {
		err = errors.Join(try.Close(), os.Remove(try.Name()))
	}
	me, owner := os.Geteuid(), ownerOf(info)
	switch {
	case errors.Is(err, syscall.EROFS):
		return fail("mount it for writing, or "+elsewhere, "%s lies on a file system that can only be read", at)
	case errors.Is(err, fs.ErrPermission):
		return fail(fmt.Sprintf("start hxp as %s, or give it the folder: chown -R %s %s, or %s", owner, userName(me), at, elsewhere), "%s belongs to %s, and %s may not write there", at, owner, userName(me))
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fail("make room, or "+elsewhere, "the disk of %s is full", at)
	case err != nil:
		return fail(elsewhere, "%s cannot be written: %v", at, err)
	case !samePath(at, f.Path):
		return ok("%s is made at the start, in %s", f.Path, at)
	case me == 0 && owner != userName(0):
		return warn(fmt.Sprintf("start hxp as %s; what root has written already: chown -R %s %s", owner, owner, at), "%s belongs to %s: files that hxp makes as root cannot be written by an hxp of %s", at, owner, owner)
	}
	return ok("%s can be written", at)
}

func samePath(abs, path string) bool {
	other, err := filepath.Abs(path)
	return err == nil && abs == other
}

// claimed tells whether another process has the data folder.
func (p *Plan) claimed() Finding {
	pid := holder(p.DataDir)
	switch {
	case pid < 0:
		return ok("no other process has it")
	case len(p.running) > 0:
		return ok("the running hxp has it (process %d)", pid)
	}
	return fail(fmt.Sprintf("stop process %d, choose another folder with --data-dir (HXP_DATA_DIR), or set the ports to those that it listens on", pid),
		"the hxp of process %d has %s, and does not answer at the ports of this configuration", pid, p.DataDir)
}

// holder is the process that has a data folder, -1 for none, 0 for one that cannot be named.
func holder(dir string) int {
	pid, held, err := atomicfile.Holder(filepath.Join(dir, "hxp.lock"))
	if err != nil || !held {
		return -1
	}
	return pid
}

// What is left on a disk before somebody should look, and before writes are in danger.
const (
	fullWarn  = 0.90
	fullFail  = 0.99
	leastFree = 256 << 20
)

// room tells how much is left of the disk of the data folder.
func (p *Plan) room() Finding {
	f := room(p.DataDir)
	at, _, err := nearest(p.DataDir)
	s, known := spaceOf(at)
	if err != nil || !known || f.Status == Fail || s.free >= uint64(p.Reserve) {
		return f
	}
	const cure = "make room (docs/runbooks/disk-full.md), use a larger disk, or lower HXP_BROKER_DISK_RESERVE"
	if p.Embedded {
		return fail(cure, "the disk of %s has %s left, less than the reserve of %s, so the embedded broker takes no event", at, size(s.free), size(p.Reserve))
	}
	return warn(cure, "the disk of %s has %s left, less than the reserve of %s", at, size(s.free), size(p.Reserve))
}

// room tells how much of a disk is left.
func room(path string) Finding {
	at, _, err := nearest(path)
	if err != nil {
		return Finding{} // the folder's own check says it
	}
	s, known := spaceOf(at)
	if !known || s.total == 0 {
		return Finding{}
	}
	return judge(at, s)
}

// judge tells whether what is left of the disk of a folder is enough.
func judge(at string, s space) Finding {
	used := 1 - float64(s.free)/float64(s.total)
	left := fmt.Sprintf("%.0f %% of the disk of %s is in use, %s are free", 100*used, at, size(s.free))
	cure := "make room (docs/runbooks/retention.md: hxp retention plan), use a larger disk, or keep less (DATA_RETENTION_DAYS_RAW, retention of topics)"
	switch {
	case used >= fullFail, s.free < leastFree:
		return fail(cure, "%s", left)
	case s.files > 0 && s.freeFiles == 0:
		return fail(cure, "the disk of %s can take no further file: it is out of inodes", at)
	case used >= fullWarn:
		return warn(cure, "%s", left)
	}
	return ok("%s", left)
}

// size writes bytes as people read them.
func size[T uint64 | int64](n T) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 10<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}

// young is how long a crash is worth a warning.
const young = 7 * 24 * time.Hour

// crash tells of what the runtime wrote when a process ended by a fault of the program.
func crash(path string) Finding {
	f, err := os.Open(path)
	if err != nil {
		return ok("none is known")
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return ok("none is known")
	}
	line := "it is not said why"
	for said := bufio.NewScanner(f); said.Scan(); { // the newest is at the end
		if text := said.Text(); strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") || strings.Contains(text, ": panic: ") {
			line = text
		}
	}
	at := info.ModTime().UTC().Format(time.RFC3339)
	if time.Since(info.ModTime()) > young {
		return ok("the last one was at %s: %s", at, line)
	}
	return warn(fmt.Sprintf("send %s to whoever develops hxp, with the log of that time; remove the file when that is done", path), "hxp ended by a fault of the program at %s: %.200s", at, line)
}
