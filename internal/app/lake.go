package app

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

// LakeTool works on the lake of a configuration, also beside running instances.
type LakeTool struct {
	lake   *lake.Lake
	store  *store.Store
	budget int64
}

// OpenLake opens the lake and its manifest.
func OpenLake(ctx context.Context, cfg *Config, log *slog.Logger) (*LakeTool, error) {
	st, err := store.Open(ctx, cfg.StoreURL(), log)
	if err != nil {
		return nil, err
	}
	l, err := lake.OpenURL(ctx, cfg.Batch.Lake, cfg.DataDir)
	if err != nil {
		st.Close()
		return nil, err
	}
	return &LakeTool{l, st, cfg.Batch.Lake.CompactBytes}, nil
}

// Close closes the manifest.
func (t *LakeTool) Close() { t.store.Close() }

// Verify reads every file again and returns what does not match the manifest.
func (t *LakeTool) Verify(ctx context.Context, progress func(done, total int)) (checked int, bad []lake.Bad, err error) {
	return t.lake.Verify(ctx, t.store, progress)
}

// Compact compacts the hours that begin within [from, to) (zero = no bound), have ended, and have changed since they were compacted.
func (t *LakeTool) Compact(ctx context.Context, from, to time.Time, progress func(done, total int)) ([]lake.Compacted, error) {
	return t.lake.Compact(ctx, t.store, lake.CompactOptions{From: from, To: to, Budget: t.budget,
		Progress: func(_ lake.Compacted, done, total int) { progress(done, total) }})
}

// SumCompacted adds up what was done.
func SumCompacted(all []lake.Compacted) (sum lake.Compacted) {
	for _, c := range all {
		sum.FilesBefore, sum.FilesAfter = sum.FilesBefore+c.FilesBefore, sum.FilesAfter+c.FilesAfter
		sum.RowsBefore, sum.RowsAfter = sum.RowsBefore+c.RowsBefore, sum.RowsAfter+c.RowsAfter
		sum.BytesBefore, sum.BytesAfter = sum.BytesBefore+c.BytesBefore, sum.BytesAfter+c.BytesAfter
	}
	return sum
}

// LakeExport says what to export.
type LakeExport struct {
	Topic, Format string
	From, To      time.Time
	Dir           string
	Out           io.Writer
	Progress      func(done, total int)
}

// Export copies events out of the lake.
func (t *LakeTool) Export(ctx context.Context, o LakeExport) (lake.Exported, error) {
	return t.lake.Export(ctx, t.store, lake.ExportOptions{Topic: o.Topic, From: o.From, To: o.To, Format: o.Format, Dir: o.Dir, Out: o.Out,
		Budget: t.budget, Progress: func(_ time.Time, done, total int) { o.Progress(done, total) }})
}

// Queries returns text for engines that read the lake.
func (t *LakeTool) Queries(ctx context.Context, engine, topic string, from, to time.Time) ([]lake.Query, error) {
	return t.lake.Queries(ctx, t.store, lake.QueryOptions{Engine: engine, Topic: topic, From: from, To: to})
}

// LakeFiles lists files of the lake; that takes the manifest alone.
func LakeFiles(ctx context.Context, cfg *Config, topic, state string, from, to time.Time, log *slog.Logger) ([]lake.Listed, error) {
	st, err := store.Open(ctx, cfg.StoreURL(), log)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	return lake.List(ctx, st, lake.Filter(topic, state, from, to))
}

// LakeEngines are those that `hxp lake sql` writes for.
var LakeEngines = lake.Engines
