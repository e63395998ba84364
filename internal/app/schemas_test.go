package app

import (
	"strings"
	"testing"
)

func TestValidateEvents(t *testing.T) {
	const good, bad = `{"event_type":"llm_request","data":{"model":"m"}}`, `{"event_type":"llm_request","data":{"model":3}}`
	for _, c := range []struct {
		text   string
		events int
		lines  []int
	}{
		{good, 1, nil}, {good + "\n" + bad + "\n\n" + good + "\n" + bad, 4, []int{2, 5}}, {"{\n \"event_type\": \"llm_request\",\n \"data\": {\"model\": 3}\n}\n", 1, []int{1}}, {"", 0, nil}, {"nonsense\n", 1, []int{1}},
	} {
		var lines []int
		n, err := ValidateEvents(strings.NewReader(c.text), func(b BadEvent) { lines = append(lines, b.Line) })
		if err != nil || n != c.events || len(lines) != len(c.lines) || len(lines) > 0 && lines[len(lines)-1] != c.lines[len(lines)-1] {
			t.Errorf("%q: %d events, bad lines %v, %v", c.text, n, lines, err)
		}
	}
}

func TestEventSchemas(t *testing.T) {
	for _, s := range EventSchemas() {
		if text, err := EventSchemaText(s.Name, 0); err != nil || !strings.Contains(string(text), "2020-12") {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	if _, err := EventSchemaText("llm_request", 99); err == nil {
		t.Error("a version that is not there was shown")
	}
}
