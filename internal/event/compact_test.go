package event

import (
	"bytes"
	"strings"
	"testing"
)

// The keys and partitions are those of Kafka's own UtilsTest.testMurmur2, modulo 8.
func TestJoinNumberIsThePartitionOfKafkasClients(t *testing.T) {
	for key, want := range map[string]int32{"21": 4, "foobar": 6, "a-little-bit-long-string": 0, "a-little-bit-longer-string": 3, "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": 5, "abc": 3} {
		if got := JoinNumber(key, 8); got != want {
			t.Errorf("%q goes to %d, Kafka sends it to %d", key, got, want)
		}
	}
}

func TestCompactFormGivesBackWhatItKeeps(t *testing.T) {
	var p Parser
	for _, text := range []string{
		`{"event_id":"a","event_type":"llm_request","timestamp":"2026-01-02T03:04:05.678901Z","source":"s","data":{"model":"m","request_id":"r","tenant":"t","duration_ms":12.5,"prompt_tokens":7,"completion_tokens":0,"success":false,"cost_usd":0.000000001}}`,
		`{"event_id":"b","event_type":"user_feedback","timestamp":"2026-01-02T03:04:05Z","source":"s","data":{"request_id":"r","satisfaction_score":4.25,"thumbs":"up","comment":"fine, thanks"}}`,
		`{"event_id":"c","event_type":"business_event","timestamp":"1970-01-01T00:00:00Z","source":"s","data":{"request_id":"r","business_event_type":"refund","business_value_usd":-3.5}}`,
	} {
		var e, back Event
		if bad := p.Parse([]byte(text), &e); bad != nil {
			t.Fatal(bad)
		}
		b := AppendCompact(nil, &e)
		if source, id := CompactOrigin(b); source != e.Source || id != e.ID {
			t.Errorf("origin %q %q", source, id)
		}
		rest, err := back.ReadCompact(append(b, "rest"...))
		if err != nil || string(rest) != "rest" || !back.Equal(&e) {
			t.Errorf("%s came back as %s, rest %q, %v", text, AppendJSON(nil, &back), rest, err)
		}
	}
}

func TestCompactFormCutsCommentsBetweenCharacters(t *testing.T) {
	var e, back Event
	e.Kind, e.HasTime = UserFeedback, true
	e.SetText(Comment, strings.Repeat("ä", 200)+"x")
	if _, err := back.ReadCompact(AppendCompact(nil, &e)); err != nil || back.Text(Comment) != strings.Repeat("ä", 128) {
		t.Errorf("%d bytes, %v", len(back.Text(Comment)), err)
	}
}

func FuzzCompact(f *testing.F) {
	var e Event
	e.ID, e.Source, e.Kind, e.HasTime = "i", "s", UserFeedback, true
	e.SetText(RequestID, "r")
	e.SetFloat(SatisfactionScore, 2)
	f.Add(AppendCompact(nil, &e))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e, back Event
		if _, err := e.ReadCompact(bytes.Clone(data)); err != nil || len(e.Text(Comment)) > compactComment {
			return
		}
		if _, err := back.ReadCompact(AppendCompact(nil, &e)); err != nil || !back.Equal(&e) {
			t.Errorf("%q reads as %s and that as %s, %v", data, AppendJSON(nil, &e), AppendJSON(nil, &back), err)
		}
	})
}
