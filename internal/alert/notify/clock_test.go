package notify

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
)

// A clock that is set resolves no alert and repeats no message, and what comes next is told in time.
func TestClockJumps(t *testing.T) {
	const config = "route: {receiver: log, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 4h}\nreceivers: [{name: log, console_configs: [{send_resolved: true}]}]\n"
	for name, by := range map[string]time.Duration{"an hour forward": time.Hour, "a day forward": 24 * time.Hour, "an hour back": -time.Hour, "a day back": -24 * time.Hour, "NTP": 2 * time.Second, "NTP back": -2 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set atomic.Int64
				says := func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
				log := newTold()
				_, mux, stop := instanceAt(t, newMemory(), log, t.TempDir(), &clock.Steady{Says: says})
				defer stop()
				fire := func(name string) {
					ask(t, mux, "POST", "/api/v2/alerts", []incoming{{Labels: map[string]string{"alertname": name}, StartsAt: says().UTC().Format(time.RFC3339), EndsAt: says().Add(5 * time.Minute).UTC().Format(time.RFC3339)}}, 200)
				}
				told := func(want ...string) {
					t.Helper()
					var got []string
					for _, line := range log.all() {
						got = append(got, strings.Fields(strings.TrimPrefix(strings.TrimPrefix(line, "[RESOLVED] "), "[FIRING:1] "))[0])
					}
					slices.Sort(got)
					if !slices.Equal(got, want) {
						t.Fatalf("got %q, want %q: %q", got, want, log.all())
					}
				}
				ask(t, mux, "PUT", "/notifications/config", config, 200)
				fire("First")
				time.Sleep(time.Minute)
				told("First")
				set.Store(int64(by))
				for range 90 { // for as long as the sender says so, it goes on
					time.Sleep(time.Minute)
					fire("First")
				}
				told("First")
				fire("Second")
				time.Sleep(5 * time.Second)
				told("First", "Second")
				time.Sleep(11 * time.Minute) // the sender is silent
				told("First", "First", "Second", "Second")
			})
		})
	}
}

// A silence that is made after the clock was set holds at once, and until the time that was asked for.
func TestSilencesAfterTheClockWasSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"an hour forward": time.Hour, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set atomic.Int64
				says := func() time.Time { return time.Now().Add(time.Duration(set.Load())) }
				s, mux, stop := instanceAt(t, newMemory(), newTold(), t.TempDir(), &clock.Steady{Says: says})
				defer stop()
				time.Sleep(time.Minute)
				set.Store(int64(by))
				ask(t, mux, "POST", "/api/v2/silences", map[string]any{"matchers": []any{map[string]any{"name": "alertname", "value": "Hush", "isRegex": false}}, "startsAt": says(), "endsAt": says().Add(30 * time.Minute), "createdBy": "t", "comment": "c"}, 200)
				for range 29 {
					if all := s.silences(nil); len(all) != 1 || all[0].Status.State != core.SilenceActive {
						t.Fatalf("%+v", all)
					}
					time.Sleep(time.Minute)
				}
				time.Sleep(3 * time.Hour)
				if all := s.silences(nil); len(all) == 1 && all[0].Status.State != core.SilenceExpired {
					t.Errorf("it never ends: %+v", all)
				}
			})
		})
	}
}
