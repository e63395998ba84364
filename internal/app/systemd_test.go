package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sdnotify"
)

// ear is a systemd that writes down what it is told.
type ear struct {
	mu    sync.Mutex
	heard []string
}

func (e *ear) Tell(lines ...string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, lines...)
	return nil
}

func (e *ear) count(line string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.heard {
		if l == line {
			n++
		}
	}
	return n
}

// TestWatchdog: systemd hears that the process is alive while checks return, whatever they say, and no more once one hangs.
func TestWatchdog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		e, hang, release := &ear{}, make(chan struct{}), make(chan struct{})
		health := httpx.NewHealth("kafka-api", "test")
		health.Add("broker", func(context.Context) httpx.Check { return httpx.Check{Status: httpx.Unhealthy, Detail: "away"} })
		health.Add("windows", func(context.Context) httpx.Check {
			select {
			case <-hang:
				<-release
			default:
			}
			return httpx.Check{Status: httpx.Healthy}
		})
		s := &system{log: slog.New(slog.NewTextHandler(&log, nil)), healths: []*httpx.Health{health}, demo: Options{Systemd: Systemd{Listener: e, Watchdog: time.Minute}}}
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = systemd{s}.Run(ctx) })
		time.Sleep(10*time.Minute + time.Second)
		if n := e.count(sdnotify.Alive); n != 30 {
			t.Errorf("told %d times that it is alive in ten minutes", n)
		}
		close(hang)
		time.Sleep(2 * time.Minute) // the first looks after it began to hang are too early to know
		before := e.count(sdnotify.Alive)
		time.Sleep(10 * time.Minute)
		if n := e.count(sdnotify.Alive); n != before || n > 32 {
			t.Errorf("told %d times more that it is alive while a check hangs, %d at once", n-before, before-30)
		}
		close(release)
		time.Sleep(time.Minute)
		if n := e.count(sdnotify.Alive); n == before {
			t.Error("not told again when the check returned")
		}
		stop()
		wg.Wait()
		if !slices.Contains(e.heard, sdnotify.Stopping) || !strings.Contains(log.String(), "checks=kafka-api/windows") {
			t.Errorf("%q\n%s", e.heard, log.String())
		}
	})
}
