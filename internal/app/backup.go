package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/broker"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/bundle"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// backupKind is what a bundle of ours says that it is.
const backupKind = "hxp-backup"

// BackupOptions say how a backup is made.
type BackupOptions struct {
	Partial  bool // also when a part of the data lies on a server of its own
	Progress func(done, total int64)
}

// ErrLeftOut is the error of a backup that would not hold everything.
var ErrLeftOut = errors.New("not everything lies in files of this machine")

// Backup writes what hxp keeps in files to one file, beside a running instance or without one.
//
// It needs no help of that instance. What makes it one whole is the order in which the parts are looked at. Of things that follow from
// each other, what follows comes first: spilled events before the topics that they go to, the database (positions of the lake) and the
// snapshots of the windows before the topics that these have read, and among the topics the journal before the inputs. So a position in
// the backup never lies behind the end of what it is a position in, and whatever came later is read again, as after a killed process.
func Backup(ctx context.Context, cfg *Config, file string, o BackupOptions) (*bundle.Index, error) {
	p, err := cfg.places()
	if err != nil {
		return nil, err
	}
	if left := cfg.leftOut(p); len(left) > 0 && !o.Partial {
		return nil, fmt.Errorf("%w: %s; back these up first and then the rest with --partial", ErrLeftOut, strings.Join(left, "; "))
	}
	if _, err := os.Stat(p.data); err != nil {
		return nil, fmt.Errorf("there is nothing to back up: %w (name the data folder with --data-dir)", err)
	}
	if err := p.resolve(); err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	if !p.remoteLake && exists(p.lake) {
		release, err := lake.Pin(ctx, p.lake)
		if err != nil {
			return nil, fmt.Errorf("backup: keep the files of the lake until they are read: %w", err)
		}
		defer func() { _ = release() }() // the process has it for as long as it lives anyway
	}
	out, err := bundle.Create(file, bundle.Head{Kind: backupKind, Program: Version, Created: time.Now().UTC()})
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	defer out.Abort()
	w := &backupWriter{places: p, out: out, file: file, o: o}
	index, err := w.write(ctx)
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	return index, nil
}

// backupWriter writes one backup.
type backupWriter struct {
	places
	out   *bundle.Writer
	file  string
	o     BackupOptions
	done  int64
	total int64
	taken backupCut
}

// backupFile is a file that waits to be written.
type backupFile struct {
	name string // in the backup
	size int64  // when it was listed
	mode fs.FileMode
	open func() (in io.ReadCloser, size int64, err error) // size is how much of it belongs to the backup
}

// asItIs opens a file and takes what it has at that moment: one that was replaced since it was listed is not cut to the length of the one
// before, and of one that grows the beginning is taken.
func asItIs(path string) func() (io.ReadCloser, int64, error) {
	return func() (io.ReadCloser, int64, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, 0, err
		}
		info, err := f.Stat()
		if err != nil {
			_ = f.Close() // nothing was read
			return nil, 0, err
		}
		return f, info.Size(), nil
	}
}

// section takes the beginning of what somebody else keeps open.
func section(r io.ReaderAt, size int64) func() (io.ReadCloser, int64, error) {
	return func() (io.ReadCloser, int64, error) { return io.NopCloser(io.NewSectionReader(r, 0, size)), size, nil }
}

// backupCut is what was looked at, before most of it is written.
type backupCut struct {
	copied *store.Copied // nil = there is no database yet
	files  []backupFile
	held   *broker.Held
	state  []*os.File
}

func (c *backupCut) close() {
	if c.held != nil {
		c.held.Close()
	}
	for _, f := range c.state {
		_ = f.Close() // it was only read
	}
	*c = backupCut{}
}

func (w *backupWriter) write(ctx context.Context) (*bundle.Index, error) {
	rest, err := w.walk(partData, w.data, w.elsewhere)
	if err == nil {
		err = w.addAll(ctx, rest) // spilled events among them: before the topics
	}
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(filepath.Dir(w.out.Temp()), filepath.Base(w.out.Temp())+"-*") // found by bundle.Create when a kill leaves it
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	defer func() { w.taken.close() }()
	if err := w.cut(ctx, filepath.Join(temp, "hxp.db")); err != nil {
		return nil, err
	}
	for _, part := range []struct{ name, dir string }{{partReports, w.reports}, {partArchive, w.archive}} {
		if part.dir == "" {
			continue
		}
		more, err := w.walk(part.name, part.dir, nothing)
		if err != nil {
			return nil, err
		}
		w.taken.files = append(w.taken.files, more...)
	}
	w.lakeFiles()
	if err := w.addAll(ctx, w.taken.files); err != nil {
		return nil, err
	}
	note := map[string]string{"data": w.data}
	if w.taken.copied != nil {
		note["migration"] = w.taken.copied.Migration
	}
	return w.out.Close(note)
}

// cutTries is how often the cut is made anew because the topics were shortened too fast.
const cutTries = 5

// cut looks at database, snapshots and topics, in this order. The segments of the topics are held before, so that what the database has
// not read yet cannot be deleted until they are cut.
func (w *backupWriter) cut(ctx context.Context, temp string) (err error) {
	for range cutTries {
		if err = w.cutOnce(ctx, temp); !errors.Is(err, broker.ErrMoved) {
			return err
		}
		w.taken.close()
		if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fmt.Errorf("%w, each of %d times; raise HXP_BROKER_MAX_BYTES", err, cutTries)
}

func (w *backupWriter) cutOnce(ctx context.Context, temp string) (err error) {
	c := &w.taken
	if w.broker != "" {
		if c.held, err = broker.Hold(ctx, w.broker); err != nil {
			return err
		}
	}
	if w.database != "" {
		switch c.copied, err = store.CopyFile(ctx, w.database, temp); {
		case err == nil:
			err = c.addPath(partDatabase+"/"+databaseName, temp)
		case errors.Is(err, fs.ErrNotExist):
			err = nil // nothing was stored yet
		}
		if err != nil {
			return err
		}
	}
	if err := c.openState(filepath.Join(w.lake, stateDir)); err != nil {
		return err
	}
	if c.held == nil {
		return nil
	}
	files, err := c.held.Cut(topicRank)
	for _, f := range files {
		c.files = append(c.files, backupFile{partBroker + "/" + f.Name, f.Size, 0o644, section(f.Body, f.Size)})
	}
	return err
}

// topicRank is the order in which topics are cut: what is written because of another topic comes before that one.
func topicRank(topic string) int {
	order := []string{event.TopicResponses, event.TopicAlerts, event.TopicCorrelations, event.TopicPanes, event.TopicLate, event.TopicDeadLetters, event.TopicDeployments, event.TopicJoins}
	switch i := slices.Index(order, topic); {
	case topic == event.TopicControl:
		return len(order) + 2
	case i >= 0:
		return i
	}
	if _, input := event.KindOfTopic(topic); input {
		return len(order) + 1
	}
	return -1 // of others
}

// addPath notes a file that nobody changes.
func (c *backupCut) addPath(name, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	c.files = append(c.files, backupFile{name, info.Size(), info.Mode().Perm(), asItIs(path)})
	return nil
}

// openState opens what the windows keep beside the lake: it is replaced, never changed, so an open file stays what it is.
func (c *backupCut) openState(dir string) error {
	return eachFile(dir, nothing, func(path, rel string, _ fs.FileInfo) error {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a newer one is there
		}
		if err != nil {
			return err
		}
		c.state = append(c.state, f)
		info, err := f.Stat()
		if err != nil {
			return err
		}
		c.files = append(c.files, backupFile{partLake + "/" + stateDir + "/" + rel, info.Size(), info.Mode().Perm(), section(f, info.Size())})
		return nil
	})
}

// lakeFiles notes the files that the manifest names. They never change.
func (w *backupWriter) lakeFiles() {
	if w.taken.copied == nil || w.remoteLake {
		return
	}
	for _, f := range w.taken.copied.Files {
		if f.State != event.LakeLive && f.State != event.LakeMarked {
			continue
		}
		path := filepath.Join(w.lake, filepath.FromSlash(f.Path))
		w.taken.files = append(w.taken.files, backupFile{partLake + "/" + f.Path, f.Bytes, 0o644, func() (io.ReadCloser, int64, error) {
			in, err := os.Open(path)
			if errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("%w: the manifest named it when the backup began, and hxp removes nothing meanwhile, so somebody else did, or it was gone before: hxp lake verify names all that are missing", err)
			}
			return in, f.Bytes, err
		}})
	}
}

// walk lists the files of a part.
func (w *backupWriter) walk(part, dir string, skip func(path string) bool) (files []backupFile, err error) {
	here, _ := os.Stat(w.file) // a backup from before; not found is none
	err = eachFile(dir, skip, func(path, rel string, info fs.FileInfo) error {
		if here == nil || !os.SameFile(here, info) {
			files = append(files, backupFile{part + "/" + rel, info.Size(), info.Mode().Perm(), asItIs(path)})
		}
		return nil
	})
	return files, err
}

func nothing(string) bool { return false }

// eachFile calls fn with the regular files below a folder that are no locks, not half written, and not skipped. A missing folder has none.
// A link to a file counts as that file. One to a folder is an error unless its target is skipped: what lies there would be missing from the
// backup, and nobody would know.
func eachFile(dir string, skip func(path string) bool, fn func(path, rel string, info fs.FileInfo) error) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // removed meanwhile
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "lost+found" || strings.HasPrefix(d.Name(), restoreMark) || unfinishedName(d.Name())):
			return fs.SkipDir
		case d.IsDir(), strings.HasSuffix(d.Name(), ".lock"), unfinishedName(d.Name()), skip(file):
			return nil
		}
		info, err := d.Info()
		if err == nil && d.Type()&fs.ModeSymlink != 0 {
			if info, err = behindLink(file, skip); info == nil && err == nil {
				return nil
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return nil
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		return fn(file, path.Clean(filepath.ToSlash(rel)), info)
	})
}

// behindLink is the file that a link leads to, nil when it is skipped.
func behindLink(link string, skip func(path string) bool) (fs.FileInfo, error) {
	target, err := filepath.EvalSymlinks(link)
	if err != nil || skip(target) {
		return nil, err
	}
	info, err := os.Stat(target)
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s is a link to the folder %s, which a backup does not follow: name the folder in the configuration, or mount it there", link, target)
	}
	return info, err
}

// unfinishedName tells the temporary files of atomicfile and of bundle.
func unfinishedName(name string) bool {
	return strings.HasPrefix(name, ".") && strings.Contains(name, ".tmp-")
}

// addAll writes files. One that is gone meanwhile was replaced or let go, which the database will find out; of the lake that is an error.
func (w *backupWriter) addAll(ctx context.Context, files []backupFile) error {
	for _, f := range files {
		w.total += f.size
	}
	for _, f := range files {
		in, size, err := f.open()
		if errors.Is(err, fs.ErrNotExist) && !strings.HasPrefix(f.name, partLake+"/") {
			w.total -= f.size
			continue
		}
		if err != nil {
			return err
		}
		w.total += size - f.size
		err = w.out.Add(ctx, f.name, size, f.mode, io.TeeReader(in, (*backupProgress)(w)))
		if err := errors.Join(err, in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// backupProgress counts what is read.
type backupProgress backupWriter

func (p *backupProgress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if p.o.Progress != nil {
		p.o.Progress(p.done, max(p.total, p.done))
	}
	return len(b), nil
}
