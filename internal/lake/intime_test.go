package lake

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// What took so long that a sweep may have removed its files is not named by the manifest.
func TestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Lake{grace: 10 * time.Minute}
		began := time.Now()
		time.Sleep(4 * time.Minute)
		if err := l.InTime(began); err != nil {
			t.Errorf("after 4 of 10 minutes: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if err := l.InTime(began); err == nil || !strings.Contains(err.Error(), "HXP_LAKE_ORPHAN_GRACE") {
			t.Errorf("after 6 of 10 minutes: %v, want it to name the setting", err)
		}
	})
}

// A compaction that was held up too long changes nothing.
func TestSlowCompactionChangesNothing(t *testing.T) {
	l, m := openTest(t), newMemory()
	tp := event.TopicPartition{TopicID: "aaaaaaaa1", Topic: event.LLMRequest.Topic()}
	for n := range 3 { // several files of one hour
		_, err := l.Import(t.Context(), m, tp, func(yield func(*event.Event, int64) bool) {
			e := &event.Event{Kind: event.LLMRequest, HasTime: true, ID: fmt.Sprint(n), Time: testHour * 1e6}
			yield(e, e.Time)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	const hour = testHour
	l.grace = 0 // any time is too long
	before, _, err := m.LiveFiles(t.Context(), hour)
	if err != nil {
		t.Fatal(err)
	}
	done, err := l.compactHour(context.WithoutCancel(t.Context()), m, hour, testCompacting)
	if err == nil || errors.Is(err, context.Canceled) || !done.Lost {
		t.Errorf("%+v, %v: want an error and nothing changed", done, err)
	}
	after, _, err := m.LiveFiles(t.Context(), hour)
	if err != nil || len(after) != len(before) {
		t.Errorf("%d live files, there were %d (%v)", len(after), len(before), err)
	}
}
