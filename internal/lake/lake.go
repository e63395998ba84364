package lake

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Manifest is the authority on what the lake holds; store.Store is one.
type Manifest interface {
	// Positions returns the first unpublished offset of every known partition.
	Positions(ctx context.Context) (map[event.TopicPartition]int64, error)
	// InitPosition makes a partition known unless it is, and returns the position that holds.
	InitPosition(ctx context.Context, tp event.TopicPartition, next int64) (int64, error)
	// Publish moves the position from from to to and adds files, in one transaction; not ok when the position was another.
	Publish(ctx context.Context, tp event.TopicPartition, from, to int64, files []event.LakeFile) (ok bool, err error)
	// SkipGap notes a gap and moves the position over it, in one transaction; not ok when the position was another.
	SkipGap(ctx context.Context, g event.LakeGap) (ok bool, err error)
	// Files returns the files that f chooses.
	Files(ctx context.Context, f event.LakeFilter) ([]event.LakeFile, error)
}

// Lake is the folder of the raw events. It is safe for concurrent use.
type Lake struct {
	dir      string
	scanners sync.Pool // *scanner, with their memory
	noSync   bool      // tests that kill no power may skip the disk
}

// tmp holds files that are being written; names that begin with an underscore are not part of the data.
const tmp = "_tmp"

// Open returns the lake in the folder dir and makes the folder when it is missing.
func Open(dir string) (*Lake, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lake: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(abs, tmp), 0o755); err != nil {
		return nil, fmt.Errorf("lake: make the folder (set HXP_LAKE_URL to one that can be written): %w", err)
	}
	return &Lake{dir: abs}, nil
}

// Dir returns the absolute path of the folder.
func (l *Lake) Dir() string { return l.dir }

func (l *Lake) path(relative string) string {
	return filepath.Join(l.dir, filepath.FromSlash(relative))
}

// hourDir returns the folder of an hour of a topic (seconds since the epoch), relative, with slashes.
func hourDir(topic string, hour int64) string {
	t := time.Unix(hour, 0).UTC()
	return fmt.Sprintf("%s/dt=%s/hour=%d", topic, t.Format(time.DateOnly), t.Hour())
}

// fileName names the file of one hour of a range. The nonce keeps two owners of one range, and a range that is written again
// after a crash, from ever touching the same file.
func fileName(tp event.TopicPartition, from, to int64, k event.Kind, hour int64, nonce string) string {
	id := tp.TopicID
	if len(id) > 8 {
		id = id[:8]
	}
	// The hour, in base 36, keeps the files of one range apart in _tmp.
	name := fmt.Sprintf("%s-%d-%d-%d-%s%s", id, tp.Partition, from, to, nonce, strconv.FormatInt(hour/3600, 36))
	if k.Topic() != tp.Topic { // an event of another kind in this topic has other columns, so a file of its own
		name += "-" + k.String()
	}
	return name + ".parquet"
}

const hourMicros = 3600 * 1e6

// hourOf returns the start of the hour of a time in microseconds, in seconds since the epoch.
func hourOf(us int64) int64 {
	h := us / hourMicros
	if us%hourMicros < 0 {
		h--
	}
	return h * 3600
}

// sweep removes files that the manifest does not name and that are older than grace: leftovers of a killed writer, or of one
// that lost a race for its range. It returns how many.
func (l *Lake) sweep(ctx context.Context, m Manifest, grace time.Duration) (int, error) {
	before := time.Now().Add(-grace)
	// The folder is listed first: what is published while it is read is then in the manifest for sure.
	orphans, err := l.olderThan(ctx, before)
	if err != nil || len(orphans) == 0 {
		return 0, err
	}
	known, err := m.Files(ctx, event.LakeFilter{})
	if err != nil {
		return 0, err
	}
	for i := range known {
		delete(orphans, known[i].Path)
	}
	removed := 0
	for path := range orphans {
		if err := os.Remove(l.path(path)); err != nil && !os.IsNotExist(err) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// olderThan returns the relative paths of Parquet files, in place or in _tmp, last written before a time.
func (l *Lake) olderThan(ctx context.Context, before time.Time) (map[string]bool, error) {
	out := make(map[string]bool)
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if os.IsNotExist(err) {
				return nil // renamed or removed meanwhile
			}
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), "_") && d.Name() != tmp {
				return fs.SkipDir // the stream's snapshots live under _state
			}
			return nil
		}
		if !strings.HasSuffix(d.Name(), ".parquet") {
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.ModTime().Before(before) {
			return nil
		}
		relative, err := filepath.Rel(l.dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(relative)] = true
		return nil
	})
	return out, err
}
