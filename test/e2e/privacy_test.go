package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// What the rules keep out, and prompts, are found nowhere below the data folder, in no answer and not in the log. Then a user is erased: his
// events leave the lake, his rows leave the tables, totals stay, and a proof finds nothing.
func TestPrivacyAndErasure(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const planted, user = "Pl4nted", "erased-user-77"
	h := prepare(t, "127.0.0.1:0", "--log-level", "debug")
	h.env = append(h.env, "HXP_PRIVACY_DROP=comment", "HXP_PRIVACY_HASH=session_id", "HXP_PRIVACY_HASH_KEY=env:PRIVACY_KEY", "PRIVACY_KEY=Pl4nted-key-of-the-hashes")
	h.up(t)
	hour := time.Now().UTC().Truncate(time.Hour).Add(-2 * time.Hour)
	var events []string
	for i := range 40 {
		who := user
		if i%2 > 0 {
			who = "somebody-else"
		}
		e := map[string]any{"event_id": "p" + string(rune('A'+i)), "event_type": "llm_request", "timestamp": stamp(hour.Add(time.Duration(i) * time.Minute)),
			"data":     map[string]any{"model": "m", "request_id": "pr" + string(rune('A'+i)), "user_id": who, "session_id": planted, "success": true, "prompt": planted, "messages": []string{planted}},
			"metadata": map[string]any{"completion": planted, "session_id": planted}}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, string(text))
	}
	events = append(events,
		`{"event_type":"user_feedback","timestamp":"`+stamp(hour)+`","data":{"request_id":"prA","satisfaction_score":5,"comment":"`+planted+`"}}`,
		`{"event_type":"llm_request","data":{"duration_ms":"`+planted+`","session_id":"`+planted+`","prompt":"`+planted+`"}}`,
		`{"event_type":"llm_request","timestamp":"9999-01-01T00:00:00Z","data":{"model":"m","prompt":"`+planted+`"}}`,
		`{"event_type":"llm_request","data":{"prompt":"`+planted,
		`{"event_type":"llm_request","data":{"model":"m","duration_ms":"fast","user_id":"`+user+`"}}`)
	// The value of duration_ms is quoted in the reason of the second last but one: it is no field of the rules, so it stays.
	events[41] = strings.Replace(events[41], `"duration_ms":"`+planted+`"`, `"duration_ms":"fast"`, 1)
	if status, taken := h.post(t, []byte(strings.Join(events, "\n")), nil); status != 207 || taken.Accepted != 41 || taken.Rejected != 4 {
		t.Fatalf("%d %+v", status, taken)
	}
	before, _ := h.aggregate(t, hour)
	if before.requests != 40 {
		t.Fatalf("the hour counts %+v", before)
	}
	absent := func(where string, text []byte) {
		if i := bytes.Index(text, []byte(planted)); i >= 0 {
			t.Errorf("%s has what is to be kept out: %.200q", where, text[max(0, i-80):])
		}
	}
	for _, path := range []string{"/topics/llm-requests/messages?limit=100", "/topics/user-feedback/messages", "/topics/hxp-dead-letters/messages", "/topics/hxp-late/messages", "/dead-letters"} {
		_, page, err := call("GET", h.url("kafka-api")+path, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		absent(path, page)
	}
	_, page, err := call("GET", h.url("event-processing-api")+"/correlations?limit=100", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	absent("/correlations", page)
	below := func(what string, check func(path string, text []byte)) {
		t.Helper()
		if err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a file that was there a moment ago
			}
			if text, err := os.ReadFile(path); err == nil {
				check(strings.TrimPrefix(path, h.dir), text)
			}
			return nil
		}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	below("kept out", absent)

	erase := func(args ...string) (code int, r struct {
		State    string
		LakeRows int64 `json:"lake_rows"`
		SQLRows  int64 `json:"sql_rows"`
		Left     []struct{ Where string }
	}, stderr string) {
		t.Helper()
		out, errs, code := h.cli(t, append([]string{"erase", "--json", "--url", h.url("batch-processing-api")}, args...)...)
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("hxp erase %v: %d %s %s", args, code, out, errs)
		}
		return code, r, string(errs)
	}
	if code, r, errs := erase("--user", user, "--dry-run"); code != 0 || r.State != "done" || r.LakeRows != 21 || r.SQLRows == 0 {
		t.Fatalf("dry run: %d %+v %s", code, r, errs)
	}
	code, r, errs := erase("--user", user)
	if code != 0 || r.State == "failed" || r.LakeRows != 21 || r.SQLRows == 0 {
		t.Fatalf("%d %+v %s", code, r, errs)
	}
	out, stderr, _ := h.cli(t, "erase", "verify", "--user", user, "--json", "--url", h.url("batch-processing-api"))
	var v struct {
		LakeRows int64 `json:"lake_rows"`
		SQLRows  int64 `json:"sql_rows"`
		About    int
		Chain    string
		Topics   []struct {
			Topic string
			Found *int64
		}
	}
	if err := json.Unmarshal(out, &v); err != nil || v.LakeRows != 0 || v.SQLRows != 0 || v.About != 1 || v.Chain != "ok" {
		t.Errorf("%s %s %v", out, stderr, err)
	}
	letters := func() string {
		t.Helper()
		_, page, err := call("GET", h.url("kafka-api")+"/dead-letters", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(page)
	}
	eventually(t, time.Minute, "the dead letter of the user is gone, and those of others are there", func() bool {
		page := letters()
		return !strings.Contains(page, user) && strings.Count(page, `"payload_base64"`) == 3
	})
	for _, topic := range v.Topics {
		if topic.Topic == "hxp-dead-letters" && (topic.Found == nil || *topic.Found > 0) {
			t.Errorf("a dead letter names the user: %s", out)
		}
	}
	below("erased", func(path string, text []byte) {
		if strings.HasSuffix(path, ".parquet") && bytes.Contains(text, []byte(user)) {
			t.Errorf("%s still names the user", path)
		}
	})
	if after, _ := h.rows(t, hour); after != before {
		t.Errorf("the totals of the hour are %+v, were %+v", after, before)
	}
}

// Where the windows are in another process, topics are shortened up to what that has counted a while ago; the broker is that of others here.
func TestErasureBesideTheWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const user = "erased-user-78"
	windows := prepare(t, "127.0.0.1:0")
	windows.env = append(windows.env, "EVENT_PROCESSING_SNAPSHOT_EVERY=1s", "EVENT_CORRELATION_WINDOW_SIZE=1")
	windows.up(t)
	h := prepare(t, windows.url("kafka"))
	h.services = []string{"run", "batch-processing-api"}
	h.env = append(h.env, "EVENT_PROCESSING_SNAPSHOT_EVERY=1s", "EVENT_CORRELATION_WINDOW_SIZE=1")
	h.up(t)
	n := 0
	write := func(who string) {
		t.Helper()
		var all []string
		for range 30 {
			n++
			all = append(all, fmt.Sprintf(`{"event_type":"llm_request","data":{"model":"m","request_id":"b%d","user_id":"%s"}}`, n, who), fmt.Sprintf(`{"event_type":"user_feedback","data":{"request_id":"b%d","user_id":"%s","satisfaction_score":4}}`, n, who))
		}
		if status, taken := windows.post(t, []byte(strings.Join(all, "\n")), nil); status != 202 || taken.Accepted != len(all) {
			t.Fatalf("%d %+v", status, taken)
		}
	}
	write(user)
	write("somebody-else")
	eventually(t, time.Minute, "joined requests of the user", func() bool {
		r := h.erase(t, "--user", user)
		return r.says("hxp-correlations", "--topics")
	})
	eventually(t, time.Minute, "topics without the user", func() bool {
		write("somebody-else") // the embedded broker keeps the last record of a log
		r := h.erase(t, "--user", user, "--topics")
		return !r.says("")
	})
	out, errs, code := h.cli(t, "erase", "verify", "--user", user, "--json", "--url", h.url("batch-processing-api"))
	if code != 0 {
		t.Errorf("verify: %d %s %s", code, out, errs)
	}
	windows.kill()
	windows.up(t)
	windows.settled(t)
	if lost, _ := windows.lost(t); lost != 0 {
		t.Errorf("%d records are lost to the windows", lost)
	}
}

// Times of records say nothing about what windows of another process begin with after a kill: an import whose records are of days ago stays until
// their snapshots have it, and so do what they join and whose identities they know.
func TestErasureOfAnImportBesideTheWindows(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const user = "erased-user-79"
	windows := prepare(t, "127.0.0.1:0")
	windows.up(t)
	h := prepare(t, windows.url("kafka"))
	h.services = []string{"run", "batch-processing-api"}
	h.up(t)
	b, err := bus.Connect(t.Context(), windows.brokers(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	past, err := b.NewProducer(bus.ProducerOptions{DeliveryTimeout: 72 * time.Hour}) // it counts from the time of a record
	if err != nil {
		t.Fatal(err)
	}
	defer past.Close()
	old := time.Now().Add(-48 * time.Hour)
	var all []*bus.Message
	for i := range 60 {
		all = append(all, &bus.Message{Topic: "llm-requests", Timestamp: old, Value: fmt.Appendf(nil, `{"event_id":"i%d","event_type":"llm_request","timestamp":"%s","data":{"model":"m","request_id":"i%d","user_id":"%s"}}`, i, stamp(old), i, user)})
	}
	if err := past.Send(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	windows.settled(t)
	eventually(t, time.Minute, "the positions of the windows, which say nothing either", func() bool {
		told := int64(0)
		if g, err := b.Group(t.Context(), "hxp-event-processing"); err == nil {
			for _, p := range g.Partitions {
				told += max(p.Position, 0)
			}
		}
		return told >= int64(len(all))
	})
	if r := h.erase(t, "--user", user, "--topics"); !r.says("llm-requests/", "the windows and the lake may read it again", "event-processing-api") {
		t.Errorf("%+v", r)
	}
	windows.kill()
	windows.up(t)
	windows.settled(t)
	if _, body, err := call("GET", windows.url("event-processing-api")+"/health", nil, nil); err != nil || strings.Contains(string(body), "before their identities were read again") {
		t.Errorf("%s %v", body, err)
	}
}
