package lake

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// The events of a user leave, and what speaks of his requests and names nobody; all others stay as they were, and no byte of him is left
// below the folder of the lake.
func TestErase(t *testing.T) {
	l, m := openTest(t), newMemory()
	skipDisk(l)
	const hour = 1_767_225_600
	load := func(topic string, events ...*event.Event) {
		t.Helper()
		tp := event.TopicPartition{TopicID: "id-" + topic, Topic: topic}
		if _, err := l.Import(t.Context(), m, tp, func(yield func(*event.Event, int64) bool) {
			for i, e := range events {
				if !yield(e, int64(i)) {
					return
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
	of := func(e *event.Event, user string) *event.Event {
		if user != "" {
			e.SetText(event.UserID, user)
		}
		return e
	}
	var requests []*event.Event
	for i := range 300 {
		user := "planted-jane"
		if i%3 > 0 {
			user = fmt.Sprint("user-", i)
		}
		requests = append(requests, of(part(event.LLMRequest, fmt.Sprint("e", i), fmt.Sprint("r", i), hour+int64(i)), user))
	}
	load("llm-requests", requests...)
	load("user-feedback", part(event.UserFeedback, "f0", "r0", hour+3600), part(event.UserFeedback, "f1", "r1", hour+3600), of(part(event.UserFeedback, "f3", "r3", hour+3600), "somebody else"))
	load("business-events", part(event.BusinessEvent, "b3", "r3", hour+10), part(event.BusinessEvent, "b4", "r4", hour+10))
	ids := func() (out []string) {
		for _, topic := range []string{"llm-requests", "user-feedback", "business-events"} {
			files, err := m.Files(t.Context(), event.LakeFilter{Topic: topic, State: event.LakeLive})
			if err != nil {
				t.Fatal(err)
			}
			for i := range files {
				out = append(out, idsOf(t, l, &files[i])...)
			}
		}
		slices.Sort(out)
		return out
	}
	before := ids()
	versions := fmt.Sprint(m.versions)
	o := EraseOptions{Field: event.UserID, Texts: []string{"planted-jane"}, DryRun: true, Budget: 64 << 20}
	rows := func(hours []event.ErasedHour, err error) (n int64) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hours {
			n += h.Rows
		}
		return n
	}
	if n := rows(l.Erase(t.Context(), m, o)); n != 102 {
		t.Errorf("%d rows would leave, want 100 requests, a feedback and a business event", n)
	}
	if after := ids(); !slices.Equal(before, after) {
		t.Fatal("a dry run changed something")
	}
	// A feedback of the next hour names nobody and speaks of a request of this one: it must leave first, or a second try cannot know it.
	o.DryRun = false
	cut := errors.New("cut off")
	o.Done = func(event.ErasedHour) error { return cut }
	left, err := l.Erase(t.Context(), m, o)
	if !errors.Is(err, cut) || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	told := int64(0)
	o.Done = func(h event.ErasedHour) error { told += h.Rows; return nil }
	if n := rows(l.Erase(t.Context(), m, o)); n+left[0].Rows != 102 || told != n {
		t.Errorf("%d and %d rows left, and %d were told", left[0].Rows, n, told)
	}
	want := slices.DeleteFunc(slices.Clone(before), func(id string) bool {
		var n int
		if _, err := fmt.Sscanf(id, "e%d", &n); err == nil {
			return n%3 == 0
		}
		return id == "f0" || id == "b3"
	})
	if after := ids(); !slices.Equal(after, want) {
		t.Errorf("%d events are left, want %d", len(after), len(want))
	}
	if n := rows(l.Erase(t.Context(), m, EraseOptions{Field: event.UserID, Texts: o.Texts, DryRun: true})); n != 0 {
		t.Errorf("%d rows are found afterwards", n)
	}
	if now := fmt.Sprint(m.versions); now != versions {
		t.Errorf("versions of hours are %s, were %s: what was counted would be counted anew", now, versions)
	}
	root := l.storage.(*folder).dir
	if err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("planted-jane")) {
			t.Errorf("%s still names the user", strings.TrimPrefix(path, root))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// idsOf are the ids of the events in a file.
func idsOf(t *testing.T, l *Lake, f *event.LakeFile) (out []string) {
	t.Helper()
	r, err := l.OpenFile(t.Context(), *f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b event.LakeBlock
	for n := range r.Blocks() {
		if err := r.Read(t.Context(), n, event.AllLakeColumns, &b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Rows {
			out = append(out, strings.Clone(b.Column(event.LakeID).Text(i)))
		}
	}
	return out
}
