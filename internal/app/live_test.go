package app

import (
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/serve"
)

// TestTellers: what a stranger wrote to the topics of decisions and of the audit log is passed over, and what is told is on one line.
func TestTellers(t *testing.T) {
	const alert = `{"id":"a","rule":"r","state":"firing","severity":"warning","key":{"model":"m"},
		"starts_at":"2026-03-01T12:00:00Z","window":{"start":"2026-03-01T11:59:00Z","end":"2026-03-01T12:00:00Z"},"value":1,"threshold":0}`
	for _, c := range []struct {
		name  string
		tell  serve.EachRecord
		value string
		model string
		told  int
	}{
		{"an alert", tellAlert, alert, "m", 1},
		{"an alert of a label", tellAlert, strings.Replace(alert, `"key":{"model":"m"}`, `"key":{},"labels":{"model":"l"}`, 1), "l", 1},
		{"a pending one that lapsed", tellAlert, strings.Replace(alert, "firing", "lapsed", 1), "", 0},
		{"no alert", tellAlert, `{"id":5}`, "", 0},
		{"a response", tellResponse, "{\"what\":\"proposed\",\n\"order\":{\"key\":{\"model\":\"m\"}}}", "m", 1},
		{"a response without a model", tellResponse, `{"what":"kill_switch_on"}`, "", 1},
		{"no response", tellResponse, `{"order":{}}`, "", 0},
		{"no JSON", tellResponse, `{`, "", 0},
		{"no joined requests", tellCorrelations, "HXPC\x01short", "", 0},
		{"nothing", tellCorrelations, "", "", 0},
	} {
		got := c.tell(nil, &bus.Message{Value: []byte(c.value)}, func(string, string) bool { return true })
		if len(got) != c.told || len(got) > 0 && (got[0].Model != c.model || strings.Contains(string(got[0].Data), "\n")) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
