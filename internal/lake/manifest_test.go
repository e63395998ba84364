package lake

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// memory is a Manifest that keeps the promises of the real one, and can fail.
type memory struct {
	mu     sync.Mutex
	next   map[event.TopicPartition]int64
	files  []event.LakeFile
	gaps   []event.LakeGap
	broken error // returned by the next calls of Publish
}

func newMemory() *memory { return &memory{next: make(map[event.TopicPartition]int64)} }

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
	return true, nil
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
