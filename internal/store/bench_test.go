package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// BenchmarkDirtyHours asks a store that holds 400 days for what is dirty, as the batch does all the time.
func BenchmarkDirtyHours(b *testing.B) {
	s := open(b)
	tx, err := s.write.Begin()
	if err != nil {
		b.Fatal(err)
	}
	for h := range int64(400 * 24) {
		for _, k := range event.Kinds {
			if _, err := tx.Exec("INSERT INTO hour_versions (topic, hour, version, published_at) VALUES (?, ?, 7, 1)", k.Topic(), h*3600); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := tx.Exec("INSERT INTO hour_builds (hour, built_from, built_at) VALUES (?, 28, 1)", h*3600); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if hours, err := s.DirtyHours(b.Context(), time.Now()); err != nil || len(hours) != 0 {
			b.Fatal(len(hours), err)
		}
	}
}

// BenchmarkPublish publishes ranges of one file and of a thousand.
func BenchmarkPublish(b *testing.B) {
	for _, n := range []int64{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := open(b)
			s.InitPosition(b.Context(), tp, 0)
			files, at := make([]event.LakeFile, n), int64(0)
			for b.Loop() {
				for i := range files {
					files[i] = file(int(at), int64(i)*3600)
				}
				if ok, err := s.Publish(b.Context(), tp, at, at+1, files); !ok || err != nil {
					b.Fatal(ok, err)
				}
				at++
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/file")
		})
	}
}
