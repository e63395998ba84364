package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/batch/retention"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/lake"
	"github.com/hxp-enterprise/hxp/internal/store"
)

func (s *system) buildRetention(ctx context.Context) (run.Service, error) {
	archive, err := lake.OpenArchive(ctx, s.set.retention.ArchivalPath, s.set.lake.S3, filepath.Join(s.set.dataDir, "archive"))
	if err != nil {
		return nil, err
	}
	r, err := retention.New(s.set.retention, retention.Deps{
		Plans: s.store, Raw: s.store, Days: s.store, Reports: s.store, ReportsDir: s.set.reports, Retired: s.store, Files: s.lake, Archive: archive, Prover: s.batch, Usage: s.storageUsage,
		NotFound: store.ErrNotFound, Changed: store.ErrHourMoved, Held: store.ErrHeld, NoCopy: store.ErrNoCopy,
		Clock: &s.clock, Registry: s.registry(BatchProcessingAPI), Log: s.log.With("service", "retention"),
	})
	if err != nil {
		return nil, err
	}
	s.retention = r
	return r, nil
}

// storageUsage is how full the fuller one of the file systems is that hold the lake and the archive. Object storage has no end.
func (s *system) storageUsage() (used float64, known bool) {
	places := []string{s.set.retention.ArchivalPath}
	if !strings.HasPrefix(s.set.lake.URL, "s3://") {
		places = append(places, s.set.lakeDir)
	}
	for _, p := range places {
		if strings.HasPrefix(p, "s3://") {
			continue
		}
		if u, ok := diskUsage(existing(strings.TrimPrefix(p, "file://"))); ok {
			used, known = max(used, u), true
		}
	}
	return used, known
}

// existing is a folder, or the nearest one above it that is there already.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}
