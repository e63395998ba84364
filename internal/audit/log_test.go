package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/kit/chain"
	"github.com/hxp-enterprise/hxp/internal/kit/chain/desk"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is the log of one process.
func running(t *testing.T, b *bus.Bus) *Log {
	t.Helper()
	l, err := New(b, slog.New(slog.DiscardHandler), telemetry.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	over := make(chan error, 1)
	go func() { over <- l.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-over; err != nil {
			t.Error(err)
		}
	})
	<-l.Ready()
	return l
}

func (l *Log) ask(t *testing.T, path string, into any) int {
	t.Helper()
	m := httpx.NewMux(slog.New(slog.DiscardHandler), nil)
	l.Mount(m)
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code
}

const patience = time.Minute // a record that takes longer hangs

// Several processes write to one log at once: every change is there once, and the chain is whole.
func TestOneLogOfManyWriters(t *testing.T) {
	b := bustest.New(t)
	const writers, each = 3, 10
	logs := make([]*Log, writers)
	for i := range logs {
		logs[i] = running(t, b)
	}
	var all sync.WaitGroup
	for i, l := range logs {
		all.Go(func() {
			for n := range each {
				l.Note(t.Context(), Record{At: time.Now(), Who: fmt.Sprintf("w%d", i), What: "PUT /x", Target: fmt.Sprintf("/x/%d", n), Status: 200, After: json.RawMessage(`{"n": 1}`)}, patience)
			}
		})
	}
	all.Wait()
	var v chain.Proof
	if code := logs[0].ask(t, "/audit/verify", &v); code != 200 || !v.Valid || v.Records != writers*each || v.Head == nil {
		t.Fatalf("%d %+v", code, v)
	}
	for i := range writers {
		var a desk.Page
		path, n := fmt.Sprintf("/audit?who=w%d&limit=4", i), 0
		for next := ""; ; {
			if code := logs[1].ask(t, path+next, &a); code != 200 {
				t.Fatal(code)
			}
			for _, text := range a.Audit {
				var r Record
				if err := chain.Unseal(text, &r, maxRecord); err != nil || r.Target != fmt.Sprintf("/x/%d", n) || string(r.After) != `{"n":1}` || string(r.Before) != "null" {
					t.Errorf("%d: %s %v", n, text, err)
				}
				n++
			}
			if a.Next == nil {
				break
			}
			next = "&cursor=" + *a.Next
		}
		if n != each {
			t.Errorf("writer %d has %d records, not %d", i, n, each)
		}
	}
}

func TestStrangersInTheLogAreFound(t *testing.T) {
	b := bustest.New(t)
	l := running(t, b)
	l.Note(t.Context(), Record{At: time.Now(), Who: "a", What: "PUT /x"}, patience)
	forged, _, err := chain.Seal(Record{Who: "b", What: "PUT /y"}, strings.Repeat("0", 64), maxRecord)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range [][]byte{[]byte("hello"), forged} {
		offset, err := l.Append(t.Context(), nil, value)
		if err == nil {
			err = l.WaitFor(t.Context(), offset)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	l.Note(t.Context(), Record{At: time.Now(), Who: "c", What: "PUT /z"}, patience)
	var v chain.Proof
	if code := l.ask(t, "/audit/verify", &v); code != 200 || v.Valid || len(v.Faults) != 2 {
		t.Errorf("%d %+v", code, v)
	}
	if code := l.ask(t, "/audit?since=soon", nil); code != 400 {
		t.Error(code)
	}
	if code := l.ask(t, "/audit?cursor=x", nil); code != 400 {
		t.Error(code)
	}
}

// A change waits no longer than it was told, also behind others that cannot be written.
func TestAChangeDoesNotWaitForOthers(t *testing.T) {
	var log bytes.Buffer
	reg := telemetry.NewRegistry()
	l := &Log{log: slog.New(slog.NewTextHandler(&log, nil)), lost: reg.Counter("hxp_test_lost_total", "Changes without a record."), writing: make(chan struct{}, 1)}
	l.writing <- struct{}{} // of somebody whom no broker answers
	l.Note(t.Context(), Record{Who: "ann", What: "PUT /x"}, time.Millisecond)
	if !strings.Contains(log.String(), "who=ann") || !strings.Contains(log.String(), "wait for those before it") {
		t.Errorf("log: %s", &log)
	}
}

func TestSidesAreBounded(t *testing.T) {
	large := `"` + strings.Repeat("x", maxSide) + `"`
	hash := fmt.Sprintf(`{"left_out":{"bytes":%d,"sha256":"%x"}}`, len(large), sha256.Sum256([]byte(large)))
	for text, want := range map[string]string{`{"a":1}`: `{"a":1}`, "": "null", "{": "null", "\"\xff\"": "null", large: hash} {
		if got := string(side(json.RawMessage(text))); got != want {
			t.Errorf("%.20s: %.90s", text, got)
		}
	}
	if got := clip(strings.Repeat("é", maxText)); len(got) > maxText+3 || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes", len(got))
	}
}
