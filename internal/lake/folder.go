package lake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

// folder is a storage in a folder of this machine. Its staging folder is on the same file system.
type folder struct {
	dir    string
	noSync bool // tests that kill no power may skip the disk
}

func (f *folder) String() string { return f.dir }

func (f *folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// place renames. Nobody looks at the files before the manifest names them.
func (f *folder) place(_ context.Context, files []staged) error {
	changed := make(map[string]bool) // folders with new entries
	for i := range files {
		dir := path.Dir(files[i].name)
		if !changed[dir] {
			if err := f.makeDir(dir, changed); err != nil {
				return err
			}
			changed[dir] = true
		}
		if err := os.Rename(files[i].local, f.path(files[i].name)); err != nil {
			return err
		}
	}
	if f.noSync {
		return nil
	}
	if len(changed) > syncEach {
		return syncFileSystem(f.dir)
	}
	for dir := range changed {
		if err := atomicfile.SyncDir(f.path(dir)); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a folder (relative, with slashes) and notes in changed the folders that have a new entry by it.
func (f *folder) makeDir(dir string, changed map[string]bool) error {
	err := os.Mkdir(f.path(dir), 0o755)
	if errors.Is(err, fs.ErrNotExist) && dir != "." {
		if err := f.makeDir(path.Dir(dir), changed); err != nil {
			return err
		}
		err = os.Mkdir(f.path(dir), 0o755)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		changed[path.Dir(dir)] = true
	}
	return err
}

func (f *folder) open(_ context.Context, name string) (object, error) {
	o, err := openLocal(f.path(name))
	if err != nil {
		return nil, err // not an object that holds no file
	}
	return o, nil
}

// fileObject is a file of this machine.
type fileObject struct {
	*os.File
	size int64
}

func (o fileObject) Size() int64 { return o.size }

func openLocal(path string) (fileObject, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fileObject{}, ErrMissing
	}
	if err != nil {
		return fileObject{}, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fileObject{}, err
	}
	return fileObject{file, info.Size()}, nil
}

func (f *folder) remove(_ context.Context, name string) error {
	err := os.Remove(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (f *folder) walk(ctx context.Context, dir string, fn func(entry) error) error {
	err := fs.WalkDir(os.DirFS(f.dir), dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // the folder is not there, or was removed meanwhile
		case err != nil:
			return err
		case d.IsDir():
			if name != dir && strings.HasPrefix(d.Name(), "_") {
				return fs.SkipDir
			}
			return ctx.Err()
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		return fn(entry{name, info.ModTime()})
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", f.path(dir), err)
	}
	return nil
}
