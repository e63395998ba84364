package bus

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// libraryLog forwards what the client library warns of. Its "info" is chatter about normal life, so that becomes debug.
type libraryLog struct {
	log *slog.Logger
	*chatter
}

// chatter keeps the clients of a bus from saying the same over and over: while brokers are away each of them warns at every
// try. The messages of the library are constants, so there are few.
type chatter struct {
	// heard says that a broker has answered once. Until then await tells of each failure itself, and better.
	heard atomic.Bool

	mu   sync.Mutex
	said map[string]*repeated
}

type repeated struct {
	last    time.Time
	skipped int
}

// chatterPause is the time between two warnings of the same kind.
const chatterPause = 10 * time.Second

func (l libraryLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l libraryLog) Log(level kgo.LogLevel, msg string, kv ...any) {
	at := slog.LevelDebug
	if level <= kgo.LogLevelWarn && l.heard.Load() {
		if skipped, ok := l.next(msg, time.Now()); ok {
			at = slog.LevelWarn
			if skipped > 0 {
				kv = append(kv[:len(kv):len(kv)], "unlogged", skipped)
			}
		}
	}
	l.log.Log(context.Background(), at, "kafka client: "+msg, kv...)
}

// next tells whether a warning may be said, and how many of its kind were not.
func (c *chatter) next(msg string, now time.Time) (skipped int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.said[msg]
	switch {
	case r == nil:
		if c.said == nil {
			c.said = map[string]*repeated{}
		}
		c.said[msg] = &repeated{last: now}
		return 0, true
	case now.Sub(r.last) < chatterPause:
		r.skipped++
		return 0, false
	}
	skipped = r.skipped
	*r = repeated{last: now}
	return skipped, true
}
