package ingest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Who writes the name of a field nearly right is told so, once a body; what is far from all names is nobody's slip.
func TestSlips(t *testing.T) {
	f := serve(t, newAPI(Defaults(), &written{}, nil, telemetry.NewRegistry()), nil)
	const meant = `"warnings":[{"index":%d,"field":"%s","detail":"kept, but hxp knows no such field of llm_request; did you mean %s?"}]`
	for body, want := range map[string]string{
		`{"event_type":"llm_request","data":{"model":"m","promptTokens":5}}`:                                                              fmt.Sprintf(meant, 0, "promptTokens", "prompt_tokens"),
		`{"event_type":"llm_request","model":"m","durration_ms":5}`:                                                                       fmt.Sprintf(meant, 0, "durration_ms", "duration_ms"),
		`[{"event_type":"llm_request","model":"m"},{"event_type":"llm_request","sucess":true},{"event_type":"llm_request","modell":"m"}]`: fmt.Sprintf(meant, 1, "sucess", "success"),
		`{"event_type":"llm_request","data":{"model":"m","duration":1,"temperature":0.5,"max_tokens":100,"top_p":1,"prompt":"x","cpu_usages":1,"port":80,"node":"n1","code":1,"hash":"h","request_type":"chat"},"sourc":"x"}`: "",
		`[{"event_type":"llm_request","data":{"sucess":true,"prompt_tokens":-1}}]`: "",
	} {
		r := f.post("/events", jsonType_, []byte(body))
		if strings.Contains(r.Body, "warnings") != (want != "") || !strings.Contains(r.Body, want) {
			t.Errorf("%s: %d %s; want %s", body, r.Status, r.Body, want)
		}
	}
}

// Invented names fill no memory, however many or long they are.
func TestSlipsAreBounded(t *testing.T) {
	var s slips
	if field, first := s.of(event.LLMRequest, bytes.Repeat([]byte("x"), 100_000)); field != "" || first || len(s.meant) != 0 {
		t.Errorf("a long name is %q, first %v, and %d are remembered", field, first, len(s.meant))
	}
	for i := range 3 * maxSlips {
		s.of(event.LLMRequest, fmt.Appendf(nil, "prompt_token%d", i))
	}
	if len(s.meant) != maxSlips {
		t.Errorf("%d names are remembered", len(s.meant))
	}
	if field, first := s.of(event.LLMRequest, []byte("prompt_token1")); field != "prompt_tokens" || first {
		t.Errorf("%q, first %v", field, first)
	}
}
