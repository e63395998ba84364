package batch

import (
	"encoding/json"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// What was asked for last stays, whatever is too large is not kept, and the weights never pass the limit.
func TestMemo(t *testing.T) {
	m := newMemo[int](10)
	m.keep("large", 11, 1)
	for i, key := range []string{"a", "b", "c"} {
		m.keep(key, 4, i)
		m.look("a")
	}
	for key, want := range map[string]bool{"large": false, "a": true, "b": false, "c": true} {
		if _, ok := m.look(key); ok != want {
			t.Errorf("%s is kept: %v", key, ok)
		}
	}
	m.keep("a", 4, 7)
	if v, _ := m.look("a"); v != 7 || len(m.kept) != 2 {
		t.Errorf("%d, %d kept", v, len(m.kept))
	}
}

// The next page of costs reads nothing again, until an hour changes.
func TestPagesOfCostsAreReadOnce(t *testing.T) {
	w := newWorld()
	w.publish(hour0, spent(rand.New(rand.NewPCG(1, 2)), 200)...)
	s, _ := newService(t, w, nil)
	h := s.Handler()
	page := func(cursor string) costAnswer {
		t.Helper()
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", "/costs?from=2026-03-01&to=2026-03-02&group_by=user_id,session_id&limit=1"+cursor, nil))
		var a costAnswer
		if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil || rec.Code != 200 {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		return a
	}
	first := page("")
	w.mu.Lock()
	w.scanFails = func(f event.LakeFile) error { t.Errorf("%s is read again", f.Path); return nil }
	w.mu.Unlock()
	if second := page("&cursor=" + *first.Next); second.Total.Requests != first.Total.Requests || *second.Total.CostUSD != *first.Total.CostUSD || len(second.Groups) != 1 {
		t.Errorf("%+v, then %+v", first.Total, second.Total)
	}
	w.publish(hour0, request("later", "m", 9))
	read := false
	w.mu.Lock()
	w.scanFails = func(event.LakeFile) error { read = true; return nil }
	w.mu.Unlock()
	if page(""); !read {
		t.Error("an hour that changed is not read again")
	}
}
