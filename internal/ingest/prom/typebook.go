package prom

import "sync"

// typeBook remembers the types of families that metadata told, those told last. Version 1 of remote write sends them apart
// from the samples, once a minute.
type typeBook struct {
	mu       sync.RWMutex
	now, old map[string]Type
}

func newTypeBook() *typeBook { return &typeBook{now: map[string]Type{}} }

func (b *typeBook) learn(name string, t Type) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.now[name]; !ok && len(b.now) >= maxTypes/2 {
		b.old, b.now = b.now, map[string]Type{}
	}
	b.now[name] = t
}

func (b *typeBook) of(name string) (Type, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if t, ok := b.now[name]; ok {
		return t, true
	}
	t, ok := b.old[name]
	return t, ok
}
