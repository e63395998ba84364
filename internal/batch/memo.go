package batch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// memo keeps the last answers to questions whose answers follow from the hours alone. The key names the question and the state of its hours
// (hoursKey), so nothing in it is ever out of date. Its methods may be called from any goroutine; what is kept must not be changed.
type memo[T any] struct {
	most int // of the weights of all that is kept

	mu   sync.Mutex // guards what follows
	kept []remembered[T]
}

type remembered[T any] struct {
	key    string
	weight int
	answer T
}

func newMemo[T any](most int) *memo[T] { return &memo[T]{most: most} }

func (m *memo[T]) look(key string) (answer T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.kept, func(r remembered[T]) bool { return r.key == key })
	if i < 0 {
		return answer, false
	}
	r := m.kept[i]
	m.kept = append(slices.Delete(m.kept, i, i+1), r) // asked for again: the last to leave
	return r.answer, true
}

// keep remembers an answer and forgets those that nobody has asked for the longest.
func (m *memo[T]) keep(key string, weight int, answer T) {
	if weight > m.most {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = append(slices.DeleteFunc(m.kept, func(r remembered[T]) bool { return r.key == key }), remembered[T]{key, weight, answer})
	sum := 0
	for i, r := range slices.Backward(m.kept) {
		if sum += r.weight; sum > m.most {
			m.kept = slices.Delete(m.kept, 0, i+1)
			return
		}
	}
}

// hourStates are the states of the hours of a time, and a key that changes whenever one of them does.
func (s *Service) hourStates(ctx context.Context, from, to time.Time) (hours []event.HourState, key string, err error) {
	first := from.Truncate(time.Hour)
	if hours, err = s.deps.Hours.HourStates(ctx, first.Unix(), to.Add(time.Hour-time.Nanosecond).Truncate(time.Hour).Unix()); err != nil {
		return nil, "", err
	}
	h := sha256.New()
	var b []byte
	for _, x := range hours {
		b = binary.AppendVarint(binary.AppendVarint(binary.AppendVarint(b[:0], x.Hour), x.Version), x.Built)
		h.Write(b)
	}
	return hours, hex.EncodeToString(h.Sum(nil)), nil
}
