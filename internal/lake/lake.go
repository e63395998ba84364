package lake

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
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

	// LooseHours returns the hours that ended by then and have changed since they were compacted, oldest first.
	LooseHours(ctx context.Context, ended time.Time) ([]event.HourState, error)
	// LiveFiles returns the live files of an hour and its version, both of one moment.
	LiveFiles(ctx context.Context, hour int64) (files []event.LakeFile, version int64, err error)
	// Compact replaces files, in one transaction; not ok when one of them is not live any more.
	Compact(ctx context.Context, c event.Compaction) (ok bool, err error)
	// Superseded returns up to limit paths of files that were replaced before a time.
	Superseded(ctx context.Context, before time.Time, limit int) ([]string, error)
	// Forget takes superseded files out of the manifest.
	Forget(ctx context.Context, paths []string) error
}

// Lake is where the raw events lie. It is safe for concurrent use.
type Lake struct {
	storage  storage
	stage    string        // folder of this machine in which files are written and verified before they get their place
	noSync   bool          // staged files need not reach the disk: they are copied, or a test kills no power
	grace    time.Duration // after which a sweep, of any instance, removes what the manifest does not know
	scanners sync.Pool     // *scanner, with their memory

	// Clock tells whether ages can be believed; nil = they can. Set it before anything else.
	Clock *clock.Watch
}

// tmp holds files that are being written; names that begin with an underscore are not part of the data.
const tmp = "_tmp"

// Open returns the lake in the folder dir and makes the folder when it is missing.
func Open(dir string) (*Lake, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lake: %w", err)
	}
	stage := filepath.Join(abs, tmp)
	if err := os.MkdirAll(stage, 0o755); err != nil {
		return nil, fmt.Errorf("lake: make the folder (set HXP_LAKE_URL to one that can be written): %w", err)
	}
	return &Lake{storage: &folder{dir: abs}, stage: stage, grace: Config{}.withDefaults().OrphanGrace}, nil
}

// OpenURL returns the lake that a configuration names; dataDir is where hxp keeps its state.
func OpenURL(ctx context.Context, cfg Config, dataDir string) (*Lake, error) {
	dir, err := cfg.LocalDir(dataDir)
	if err != nil {
		return nil, err
	}
	l, err := Open(dir)
	if err == nil {
		l.grace = cfg.withDefaults().OrphanGrace
	}
	if err != nil || !strings.HasPrefix(cfg.URL, "s3://") {
		return l, err
	}
	s, err := openS3(ctx, cfg.URL, cfg.S3, l.stage)
	if err != nil {
		return nil, err
	}
	l.storage, l.noSync = s, true
	return l, nil
}

// String says where the lake is.
func (l *Lake) String() string { return l.storage.String() }

// Name is short for String: it shows no folders of this machine.
func (l *Lake) Name() string {
	if l.s3() != nil {
		return l.String()
	}
	return filepath.Base(l.String())
}

// place brings verified files to their places.
func (l *Lake) place(ctx context.Context, files []*event.LakeFile) error {
	ready := make([]staged, len(files))
	for i, f := range files {
		ready[i] = staged{l.stagedPath(f.Path), f.Path, f.Bytes, f.SHA256}
	}
	return l.storage.place(ctx, ready)
}

// hourDir returns the folder of an hour (seconds since the epoch), relative, with slashes. Its first part is the topic that
// events of the kind belong to, so that all files below have the same columns, also when a stranger came by another topic.
func hourDir(k event.Kind, hour int64) string {
	t := time.Unix(hour, 0).UTC()
	return fmt.Sprintf("%s/dt=%s/hour=%d", k.Topic(), t.Format(time.DateOnly), t.Hour())
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
	if k.Topic() != tp.Topic { // a stranger by this topic
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
