package lake

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// sweep removes Parquet files that the manifest does not name and that are older than grace: leftovers of a killed writer, or of
// one that lost a race. It looks at one day of one folder at a time and at nothing that the lake did not make. It returns how
// many files it removed.
func (l *Lake) sweep(ctx context.Context, m Manifest, grace time.Duration) (int, error) {
	before := time.Now().Add(-grace)
	removed, err := l.sweepStage(before)
	for _, k := range event.Kinds {
		n, topicErr := l.sweepTopic(ctx, m, k.Topic(), before)
		removed, err = removed+n, errors.Join(err, topicErr)
		if ctx.Err() != nil {
			return removed, ctx.Err()
		}
	}
	return removed, err
}

// sweepStage removes what was left in the staging folder.
func (l *Lake) sweepStage(before time.Time) (removed int, err error) {
	entries, err := os.ReadDir(l.stage)
	for _, e := range entries {
		// An error of Info means that it was renamed or removed meanwhile.
		info, infoErr := e.Info()
		if infoErr != nil || e.IsDir() || filepath.Ext(e.Name()) != ".parquet" || !info.ModTime().Before(before) {
			continue
		}
		switch e := os.Remove(filepath.Join(l.stage, e.Name())); {
		case e == nil:
			removed++
		case !errors.Is(e, fs.ErrNotExist):
			err = errors.Join(err, e)
		}
	}
	return removed, err
}

// ours are the names that the lake gives below a topic.
var ours = regexp.MustCompile(`^(dt=\d{4}-\d\d-\d\d)/hour=\d\d?/[^/]+\.parquet$`)

// sweepTopic walks the files of a topic, which come day by day.
func (l *Lake) sweepTopic(ctx context.Context, m Manifest, topic string, before time.Time) (removed int, err error) {
	day, old := "", make(map[string]bool)
	settle := func() {
		n, dayErr := l.sweepDay(ctx, m, day, old)
		removed, err = removed+n, errors.Join(err, dayErr)
		clear(old)
	}
	walkErr := l.storage.walk(ctx, topic, func(e entry) error {
		part := ours.FindStringSubmatch(e.name[len(topic)+1:])
		if part == nil || !e.modified.Before(before) {
			return nil
		}
		if part[1] != day {
			settle()
			day = part[1]
		}
		old[e.name] = true
		return ctx.Err()
	})
	settle()
	return removed, errors.Join(err, walkErr)
}

// sweepDay removes those of the old files of a day (dt=YYYY-MM-DD) that the manifest does not know. The files were listed before
// the manifest is read: what was published meanwhile is then known for sure.
func (l *Lake) sweepDay(ctx context.Context, m Manifest, day string, old map[string]bool) (removed int, err error) {
	if len(old) == 0 {
		return 0, nil
	}
	start, err := time.Parse("dt="+time.DateOnly, path.Base(day))
	if err != nil {
		return 0, nil // no day of ours
	}
	known, err := m.Files(ctx, event.LakeFilter{FromHour: start.Unix(), ToHour: start.AddDate(0, 0, 1).Unix()})
	if err != nil {
		return 0, err
	}
	for i := range known {
		if known[i].State != event.LakeArchived { // of those only the copy in the archive is left
			delete(old, known[i].Path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if e := l.storage.remove(ctx, name); e != nil {
			err = errors.Join(err, e)
		} else {
			removed++
		}
	}
	return removed, err
}
