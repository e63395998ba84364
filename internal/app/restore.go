package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
	"github.com/hxp-enterprise/hxp/internal/kit/bundle"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// restoreMark is how folders begin in which a restore gathers what it unpacks. As long as one of them lies in a data folder, nobody
// starts there: the process ended within the few renames that a restore ends with.
const restoreMark = ".restore.tmp-"

// ReadBackup reads a whole backup and tells what is in it; nothing is written.
func ReadBackup(ctx context.Context, file string, progress func(done, total int64)) (*bundle.Index, error) {
	return readBackup(ctx, file, progress, func(bundle.Member) (io.WriteCloser, error) { return nil, nil })
}

func readBackup(ctx context.Context, file string, progress func(done, total int64), place func(bundle.Member) (io.WriteCloser, error)) (*bundle.Index, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	index, err := bundle.Extract(ctx, &counted{in, 0, info.Size(), progress}, backupKind, place)
	switch {
	case errors.Is(err, bundle.ErrNewer):
		return nil, fmt.Errorf("%s was %w: use that version of hxp, or a later one", file, err)
	case errors.Is(err, bundle.ErrDamaged):
		return nil, fmt.Errorf("%s is %w; take another backup", file, err)
	}
	return index, err
}

// counted tells how much of a file was read.
type counted struct {
	io.Reader
	done, total int64
	progress    func(done, total int64)
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.done += int64(n)
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return n, err
}

// Restore unpacks a backup into the data folder of cfg, which must be empty, and into the folders that the configuration names beside it.
// All of it is unpacked and compared first, and then brought to its place by renames; on any fault, or when ctx ends, nothing is there.
func Restore(ctx context.Context, cfg *Config, file string, progress func(done, total int64)) (*bundle.Index, error) {
	p, err := cfg.places()
	if err != nil {
		return nil, err
	}
	r := &restore{places: p}
	defer r.undo()
	if err := r.begin(); err != nil {
		return nil, err
	}
	index, err := readBackup(ctx, file, progress, r.place)
	if err != nil {
		return nil, err
	}
	if err := r.check(ctx); err != nil {
		return nil, err
	}
	return index, r.commit()
}

// restore is one restore. What it makes is undone unless it commits.
type restore struct {
	places
	targets []*restoreTarget
	made    []string // folders that were not there
	unlock  func() error
	db      string // where the database is gathered; "" = there is none
}

// restoreTarget is a folder that gets something.
type restoreTarget struct {
	dir   string
	stage string
}

// begin looks whether everything may be written, keeps others out, and makes the place where the data folder is gathered.
func (r *restore) begin() error {
	if err := r.makeDir(r.data); err != nil {
		return err
	}
	lock := filepath.Join(r.data, "hxp.lock")
	fresh := !exists(lock)
	unlock, err := atomicfile.Lock(lock)
	if err != nil {
		return fmt.Errorf("the data folder %s is in use: %w; stop hxp, or restore into another folder (--data-dir)", r.data, err)
	}
	r.unlock = func() error {
		if fresh {
			_ = os.Remove(lock) // while it is still ours
		}
		return unlock()
	}
	for _, dir := range []string{r.data, r.broker, r.lake, r.reports, r.archive} {
		if err := vacant(dir); err != nil {
			return err
		}
	}
	if r.database != "" && exists(r.database) {
		return fmt.Errorf("the database %s is there already; move it away, or name another one", r.database)
	}
	_, err = r.target(r.data)
	return err
}

// vacant refuses a folder that has something in it.
func vacant(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); name != "hxp.lock" && name != "lost+found" {
			return fmt.Errorf("the folder %s is not empty (%s); restore into an empty one (--data-dir), or move what is there away", dir, name)
		}
	}
	return nil
}

// makeDir makes a folder and remembers what of it was not there.
func (r *restore) makeDir(dir string) error {
	var missing []string
	for d := dir; !exists(d); d = filepath.Dir(d) {
		missing = append(missing, d)
	}
	err := os.MkdirAll(dir, 0o755)
	r.made = append(r.made, missing...)
	return err
}

// target is the folder that is gathered for dir.
func (r *restore) target(dir string) (*restoreTarget, error) {
	for _, t := range r.targets {
		if t.dir == dir {
			return t, nil
		}
	}
	if err := r.makeDir(dir); err != nil {
		return nil, err
	}
	stage, err := os.MkdirTemp(dir, restoreMark+"*")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(stage, 0o755); err != nil {
		return nil, err
	}
	t := &restoreTarget{dir, stage}
	r.targets = append(r.targets, t)
	return t, nil
}

// place opens where a member is gathered.
func (r *restore) place(m bundle.Member) (io.WriteCloser, error) {
	part, rel, _ := strings.Cut(m.Name, "/")
	root := map[string]string{partData: r.data, partBroker: r.broker, partLake: r.lake, partReports: r.reports, partArchive: r.archive}[part]
	switch {
	case part == partDatabase && r.database == "":
		return nil, errors.New("the backup holds a SQLite database and the configuration names PostgreSQL: restore without SQL_DATABASE_URL and SQL_DATABASE_ENDPOINT")
	case part == partDatabase:
		root, rel = filepath.Dir(r.database), filepath.Base(r.database)
	case root == "":
		return nil, fmt.Errorf("the backup holds files of the part %q, for which the configuration names no folder of this machine", part)
	}
	dir := root
	if inside(root, r.data) {
		dir = r.data
	}
	t, err := r.target(dir)
	if err != nil {
		return nil, err
	}
	below, err := filepath.Rel(dir, root)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(t.stage, below, filepath.FromSlash(rel))
	if part == partDatabase {
		r.db = path
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, m.Mode|0o600)
}

// check refuses what this version could not start with.
func (r *restore) check(ctx context.Context) error {
	if _, err := checkFormat(r.targets[0].stage); err != nil {
		return fmt.Errorf("the backup cannot be used: %w", err)
	}
	if r.db == "" {
		return nil
	}
	return store.CheckFile(ctx, r.db)
}

// commit brings everything to its place, the data folder last. A part that is in its place is not taken back: after an error there, the
// folders in which the rest was gathered stay, so that nobody starts on half of the data.
func (r *restore) commit() error {
	targets := r.targets
	r.targets, r.made = nil, nil
	for _, t := range slices.Backward(targets) { // the data folder is the first
		if err := t.commit(); err != nil {
			return fmt.Errorf("%w; a part is in its place and the rest is not: empty %s and restore again", err, strings.Join(dirs(targets), ", "))
		}
	}
	return nil
}

func dirs(targets []*restoreTarget) (all []string) {
	for _, t := range targets {
		all = append(all, t.dir)
	}
	return all
}

func (t *restoreTarget) commit() error {
	if err := syncDisk(t.stage); err != nil {
		return err
	}
	entries, err := os.ReadDir(t.stage)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(t.stage, e.Name()), filepath.Join(t.dir, e.Name())); err != nil {
			return err
		}
	}
	if err := atomicfile.SyncDir(t.dir); err != nil {
		return err
	}
	if err := os.Remove(t.stage); err != nil {
		return err
	}
	return atomicfile.SyncDir(t.dir)
}

// undo removes what was made, unless it was committed, and lets others in.
func (r *restore) undo() {
	for _, t := range r.targets {
		_ = os.RemoveAll(t.stage)
	}
	if r.unlock != nil {
		_ = r.unlock()
	}
	for _, dir := range r.made { // the innermost first; one that somebody has put something in stays
		_ = os.Remove(dir)
	}
}

// unfinished refuses a data folder in which a restore was cut off.
func unfinished(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, restoreMark+"*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("a restore into the data folder %s was cut off: empty it and restore again (%s)", dir, filepath.Base(left[0]))
	}
	return err
}
