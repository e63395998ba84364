package stream

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

const silence = "- {name: silence, type: absence, when: 'data.model != \"\"', window: 1m, group_by: [model]}\n"

var clockJumps = map[string]time.Duration{
	"an hour forward": time.Hour, "a day forward": 24 * time.Hour, "decades forward": 40 * 365 * 24 * time.Hour,
	"an hour back": -time.Hour, "a day back": -24 * time.Hour, "decades back": -20 * 365 * 24 * time.Hour, "NTP": 2 * time.Second, "NTP back": -2 * time.Second,
}

// A clock that is set lets no rule take the time that was skipped for one without events, and none waits for an hour to come again: what fails
// after the jump is told as soon as what failed before it, and what was open goes on.
func TestRulesAndClockJumps(t *testing.T) {
	for name, by := range clockJumps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j, told := idleJudge(t, outage+silence)
				j.began([]*lane{newLane(0, &j.Service.cfg, j.log, j.metrics)}, nil, &layout{})
				set, arrival := time.Duration(0), int64(0)
				run := func(d time.Duration, models ...string) {
					f := j.program.Load().Folder()
					for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second) {
						now := time.Now().Add(set)
						arrival = later(arrival, now.UnixMicro(), now.UnixMicro())
						p := f.Begin()
						for _, m := range models {
							e := request(now.Unix(), m)
							e.Time = now.UnixMicro()
							e.SetBool(event.Success, false)
							e.Settle()
							f.Event(p, e, arrival, rule.Position{Kind: e.Kind})
						}
						j.decide(j.engine.Merge(p))
						p.Release()
						for j.advance(now) == 0 {
						}
						j.alerts.acked()
					}
				}
				story := func() string {
					var all []string
					for _, d := range told.all {
						all = append(all, fmt.Sprint(d.Rule, " ", d.Key["model"], " ", d.State))
					}
					return strings.Join(all, "; ")
				}
				time.Sleep(365 * 24 * time.Hour * 21) // decades to go back
				run(time.Minute, "old")
				if got := story(); got != "outage old firing" {
					t.Fatalf("before the jump: %s", got)
				}
				set = by
				run(30*time.Second, "old", "new")
				if got := story(); got != "outage old firing; outage new firing" {
					t.Errorf("after the jump: %s", got)
				}
				if ahead := time.Duration(j.engine.Now()-time.Now().Add(set).UnixMicro()) * time.Microsecond; ahead > time.Second || ahead < -2*time.Second {
					t.Errorf("the rules are %s from the clock", ahead)
				}
				run(2*time.Minute, "old", "new")
				set = 0 // and back
				run(2*time.Minute, "new")
				if got := story(); got != "outage old firing; outage new firing" && got != "outage old firing; outage new firing; silence old firing" {
					t.Errorf("after the jump back: %s", got)
				}
			})
		})
	}
}

// A state of a time to come, of before a start, keeps nobody waiting.
func TestRulesBeginAnewBehindAStateOfATimeToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, _ := idleJudge(t, outage)
		j.began([]*lane{newLane(0, &j.Service.cfg, j.log, j.metrics)}, nil, &layout{})
		j.engine.Advance(time.Now().Add(24 * time.Hour).UnixMicro())
		j.advance(time.Now())
		if now := time.UnixMicro(j.engine.Now()); now.After(time.Now()) {
			t.Errorf("the rules are at %s, it is %s", now, time.Now())
		}
	})
}

// Objectives that begin anew because the clock was set are told of what was before.
func TestObjectivesAndClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": 24 * time.Hour, "back": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			j, _ := idleJudge(t, objective)
			const begun = 1_790_000_123
			j.engine.Advance(begun * 1e6)
			at := time.Unix(begun, 0).Add(by)
			noon := floor(at.Unix(), 3600)
			j.opts.History = &annals{hours: []HourAtRest{{noon - 3600, 10, true}, {noon - 2*3600, 10, true}}}
			j.beginAnew(at)
			j.engine.Advance(at.UnixMicro())
			j.engine.Advance(at.Add(time.Minute).UnixMicro())
			if j.recall(at.Add(time.Minute)); !j.recaller.busy {
				t.Fatalf("nobody asks: %+v", j.engine.Unknown())
			}
			j.remember(<-j.recaller.done, at.Add(time.Minute))
			if all := j.engine.Objectives(); len(all) != 1 || all[0].Total != 20 || all[0].Budget.Bad != 2 {
				t.Errorf("%+v", all)
			}
			j.recaller.close()
		})
	}
}

// Records arrive in the time to which the clock was set back, and events of before count as they did.
func TestArrivalsAfterTheClockWasSetBack(t *testing.T) {
	at := func(s int64) int64 { return s * 1e6 }
	for name, c := range map[string]struct{ last, at, now, want int64 }{
		"in order": {100, 101, 101, 101}, "a record of another time": {100, 5, 101, 100}, "a little back": {100, 41, 41, 100}, "an hour back": {3700, 100, 101, 100},
	} {
		if got := later(at(c.last), at(c.at), at(c.now)); got != at(c.want) {
			t.Errorf("%s: %d, want %d", name, got/1e6, c.want)
		}
	}
}
