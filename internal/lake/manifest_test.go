package lake

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// memory is a Manifest that keeps the promises of the real one, and can fail.
type memory struct {
	mu     sync.Mutex
	next   map[event.TopicPartition]int64
	files  []event.LakeFile
	gaps   []event.LakeGap
	broken error // returned by the next calls of Publish

	versions  map[int64]int64     // by hour
	published map[int64]time.Time // by hour
	compacted map[int64]int64     // by hour: version
	replaced  map[string]time.Time
}

func newMemory() *memory {
	return &memory{next: make(map[event.TopicPartition]int64), versions: make(map[int64]int64), published: make(map[int64]time.Time),
		compacted: make(map[int64]int64), replaced: make(map[string]time.Time)}
}

func (m *memory) Positions(context.Context) (map[event.TopicPartition]int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.next), nil
}

func (m *memory) InitPosition(_ context.Context, tp event.TopicPartition, next int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.next[tp]; !ok {
		m.next[tp] = next
	}
	return m.next[tp], nil
}

func (m *memory) Publish(_ context.Context, tp event.TopicPartition, from, to int64, files []event.LakeFile) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	if next, ok := m.next[tp]; !ok || next != from {
		return false, nil
	}
	for _, f := range files {
		if slices.ContainsFunc(m.files, func(o event.LakeFile) bool { return o.Path == f.Path }) {
			return false, errors.New("path is in the manifest: " + f.Path)
		}
	}
	m.next[tp] = to
	m.files = append(m.files, files...)
	for _, f := range files {
		m.versions[f.Hour]++
		m.published[f.Hour] = time.Now()
	}
	return true, nil
}

func (m *memory) LooseHours(_ context.Context, ended time.Time) (out []event.HourState, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for hour, v := range m.versions {
		if hour+3600 <= ended.Unix() && m.compacted[hour] != v {
			out = append(out, event.HourState{Hour: hour, Version: v, Built: m.compacted[hour], LastPublished: m.published[hour].UnixMicro()})
		}
	}
	slices.SortFunc(out, func(a, b event.HourState) int { return cmp.Compare(a.Hour, b.Hour) })
	return out, nil
}

func (m *memory) LiveFiles(ctx context.Context, hour int64) ([]event.LakeFile, int64, error) {
	files, err := m.Files(ctx, event.LakeFilter{FromHour: hour, ToHour: hour + 1, State: event.LakeLive})
	m.mu.Lock()
	defer m.mu.Unlock()
	return files, m.versions[hour], err
}

func (m *memory) Compact(_ context.Context, c event.Compaction) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return false, m.broken
	}
	at := make(map[string]int)
	for i := range m.files {
		at[m.files[i].Path] = i
	}
	for _, path := range slices.Concat(c.Old, c.Kept) {
		if i, ok := at[path]; !ok || m.files[i].State != event.LakeLive {
			return false, nil
		}
	}
	for _, path := range c.Old {
		m.files[at[path]].State, m.replaced[path] = event.LakeSuperseded, time.Now()
	}
	for _, path := range c.Kept {
		m.files[at[path]].Generation = c.Generation
	}
	m.files = append(m.files, c.New...)
	m.compacted[c.Hour] = c.Version
	return true, nil
}

func (m *memory) Superseded(_ context.Context, before time.Time, limit int) (out []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for path, at := range m.replaced {
		if at.Before(before) && len(out) < limit {
			out = append(out, path)
		}
	}
	return out, nil
}

func (m *memory) Forget(_ context.Context, paths []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, path := range paths {
		delete(m.replaced, path)
		m.files = slices.DeleteFunc(m.files, func(f event.LakeFile) bool { return f.Path == path })
	}
	return nil
}

func (m *memory) SkipGap(_ context.Context, g event.LakeGap) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.next[g.TopicPartition] != g.From {
		return false, nil
	}
	m.next[g.TopicPartition] = g.To
	m.gaps = append(m.gaps, g)
	return true, nil
}

func (m *memory) Files(_ context.Context, f event.LakeFilter) ([]event.LakeFile, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.files), func(l event.LakeFile) bool {
		return f.Topic != "" && f.Topic != l.Topic || l.Hour < f.FromHour || f.ToHour != 0 && l.Hour >= f.ToHour || f.State != "" && f.State != l.State
	}), nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}
