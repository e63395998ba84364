package lake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// sweep removes Parquet files that the manifest does not name and that are older than grace: leftovers of a killed writer, or of
// one that lost a race for its range. It looks at one day of one folder at a time and at nothing that the lake did not make. It
// returns how many files it removed.
func (l *Lake) sweep(ctx context.Context, m Manifest, grace time.Duration) (int, error) {
	before := time.Now().Add(-grace)
	staged, err := l.olderThan(tmp, before)
	if err != nil {
		return 0, err
	}
	removed, err := l.remove(staged)
	for _, k := range event.Kinds {
		days, globErr := l.list(k.Topic())
		err = errors.Join(err, globErr)
		for _, day := range days {
			if ctx.Err() != nil {
				return removed, ctx.Err()
			}
			n, dayErr := l.sweepDay(ctx, m, k.Topic()+"/"+day, before)
			removed, err = removed+n, errors.Join(err, dayErr)
		}
	}
	return removed, err
}

// sweepDay sweeps a folder <topic>/dt=YYYY-MM-DD.
func (l *Lake) sweepDay(ctx context.Context, m Manifest, dir string, before time.Time) (int, error) {
	start, err := time.Parse("dt="+time.DateOnly, path.Base(dir))
	if err != nil {
		return 0, nil // not ours
	}
	hours, err := l.list(dir)
	if err != nil {
		return 0, err
	}
	// The folder is listed first: what is published while it is read is then in the manifest for sure.
	old := make(map[string]bool)
	for _, hour := range hours {
		if !strings.HasPrefix(hour, "hour=") {
			continue
		}
		files, err := l.olderThan(dir+"/"+hour, before)
		if err != nil {
			return 0, err
		}
		for _, f := range files {
			old[f] = true
		}
	}
	if len(old) == 0 {
		return 0, nil
	}
	known, err := m.Files(ctx, event.LakeFilter{FromHour: start.Unix(), ToHour: start.AddDate(0, 0, 1).Unix()})
	if err != nil {
		return 0, err
	}
	for i := range known {
		delete(old, known[i].Path)
	}
	orphans := make([]string, 0, len(old))
	for f := range old {
		orphans = append(orphans, f)
	}
	return l.remove(orphans)
}

// list returns the names of the folders in a folder; a missing one has none.
func (l *Lake) list(dir string) ([]string, error) {
	entries, err := os.ReadDir(l.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			out = append(out, e.Name())
		}
	}
	return out, err
}

// olderThan returns the relative paths of the Parquet files in a folder that were last written before a time.
func (l *Lake) olderThan(dir string, before time.Time) ([]string, error) {
	entries, err := os.ReadDir(l.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".parquet") {
			continue
		}
		// An error means that it was renamed or removed meanwhile.
		if info, err := e.Info(); err == nil && info.ModTime().Before(before) {
			out = append(out, dir+"/"+e.Name())
		}
	}
	return out, err
}

func (l *Lake) remove(files []string) (removed int, err error) {
	for _, f := range files {
		e := os.Remove(l.path(f))
		if e == nil {
			removed++
		} else if !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return removed, err
}
