package event

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func deadLetter() *DeadLetter {
	return &DeadLetter{ID: "0af3:2:77", Topic: "llm-requests", Partition: 2, Offset: 77, ReceivedAt: 1777636800123456, Code: CodeNegative,
		Pointer: "/data/duration_ms", Reason: `"-1" is negative`, Headers: [][2]string{{"traceparent", "00-1"}, {"id", "theirs"}, {"traceparent", "\xff"}},
		Payload: []byte(`{"event_type":"llm_request","data":{"duration_ms":-1}}`)}
}

func TestDeadLetterRecord(t *testing.T) {
	d := deadLetter()
	key, value, headers := d.Record()
	var lines []string
	for _, h := range headers {
		lines = append(lines, h.Key+"="+string(h.Value))
	}
	want := "id=0af3:2:77|topic=llm-requests|partition=2|offset=77|reason_code=negative|pointer=/data/duration_ms|reason=\"-1\" is negative|" +
		"received_at=2026-05-01T12:00:00.123456Z|size=54|h.traceparent=00-1|h.id=theirs|h.traceparent=\xff"
	if got := strings.Join(lines, "|"); got != want || string(key) != d.ID || !bytes.Equal(value, d.Payload) {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	back, err := ParseDeadLetter(key, value, headers)
	if err != nil {
		t.Fatal(err)
	}
	if d.PayloadSize = 54; !reflect.DeepEqual(back, d) {
		t.Errorf("\n got %+v\nwant %+v", back, d)
	}
}

func TestDeadLetterCut(t *testing.T) {
	for _, c := range []struct{ size, kept int }{{0, 0}, {maxDeadPayload, maxDeadPayload}, {maxDeadPayload + 1, cutDeadPayload}, {32 << 20, cutDeadPayload}} {
		d := deadLetter()
		d.Partition, d.Offset = -1, -1
		d.Payload = bytes.Repeat([]byte("x"), c.size)
		d.Headers = append(d.Headers, [2]string{"big", strings.Repeat("v", maxDeadHeaders)}, [2]string{"last", ""})
		key, value, headers := d.Record()
		back, err := ParseDeadLetter(key, value, headers)
		if err != nil {
			t.Fatal(err)
		}
		if len(value) != c.kept || back.PayloadSize != int64(c.size) || (back.SHA256 != "") != (c.kept != c.size) || back.HeadersDropped != 2 || len(back.Headers) != 3 {
			t.Errorf("%d bytes: kept %d, size %d, sha256 %q, %d headers, %d dropped", c.size, len(value), back.PayloadSize, back.SHA256, len(back.Headers), back.HeadersDropped)
		}
		key2, value2, headers2 := back.Record()
		if !bytes.Equal(key, key2) || !bytes.Equal(value, value2) || !sameHeaders(headers, headers2) {
			t.Errorf("%d bytes: written again it differs", c.size)
		}
	}
}

func TestDeadLetterRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(key, value *[]byte, headers *[]Header)
		want   string
	}{
		{"no headers", func(_, _ *[]byte, h *[]Header) { *h = nil }, `header "id" is missing`},
		{"other key", func(k, _ *[]byte, _ *[]Header) { *k = []byte("x") }, "differ"},
		{"value cut", func(_, v *[]byte, _ *[]Header) { *v = (*v)[:5] }, "header size says 54"},
		{"id twice", func(_, _ *[]byte, h *[]Header) { *h = append(*h, Header{"id", nil}) }, "given twice"},
		{"partition", func(_, _ *[]byte, h *[]Header) { (*h)[2].Value = []byte("4294967296") }, `header "partition"`},
		{"time", func(_, _ *[]byte, h *[]Header) { (*h)[7].Value = []byte("now") }, `header "received_at"`},
		{"sum", func(_, _ *[]byte, h *[]Header) { *h = append(*h, Header{"sha256", []byte("ab")}) }, "not a SHA-256"},
		{"sum of a whole payload", func(_, _ *[]byte, h *[]Header) {
			*h = append(*h, Header{"sha256", []byte(strings.Repeat("ab", 32))})
		}, "no fewer"},
	} {
		key, value, headers := deadLetter().Record()
		c.change(&key, &value, &headers)
		if _, err := ParseDeadLetter(key, value, headers); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want it to say %s", c.name, err, c.want)
		}
	}
	key, value, headers := deadLetter().Record()
	if _, err := ParseDeadLetter(key, value, append(headers, Header{"from_a_later_version", nil})); err != nil {
		t.Errorf("a header of a later version: %v", err)
	}
}
