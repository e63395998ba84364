package rule

import (
	"strings"
	"testing"
)

// Each type fires on what it is for, once, with the value that people would work out.
func TestTypes(t *testing.T) {
	const requests = `"events":[{"at":"0s","every":"70ms","count":100,"event_type":"llm_request","data":{"model":"m","user_id":"u{i}","request_id":"r{i}","success":%s,"total_tokens":60}}%s]`
	good, bad := strings.ReplaceAll(requests, "%s", "true"), strings.ReplaceAll(requests, "%s", "false")
	good, bad = strings.Replace(good, "}}true]", "}}]", 1), strings.Replace(bad, "}}false]", "}}]", 1)
	const of = `"when":"event.event_type == \"llm_request\" && event.data.model == \"m\"","group_by":["model"]`
	for name, tt := range map[string]struct{ rule, events, expect string }{
		"threshold": {`"type":"threshold","metric":"requests","op":">","value":50,"window":"60s",` + of, good, `{"fires_by":"4s","resolves_by":"65s","value":54}`},
		"rate":      {`"type":"rate","metric":"tokens.total","op":">=","value":600,"window":"10s",` + of, good, `{"fires_by":"10s","value":600}`},
		"ratio":     {`"type":"ratio","of":"data.success == false","op":">","value":0.5,"min_count":20,"window":"60s",` + of, bad, `{"fires_by":"2s","value":1}`},
		"absence":   {`"type":"absence","window":"5s",` + of, good, `{"fires_by":"12s","value":5.07}`},
		"distinct":  {`"type":"distinct","field":"user_id","op":">=","value":100,"window":"60s",` + of, good, `{"fires_by":"7s","value":100}`},
		"burn_rate": {`"type":"burn_rate","good":"data.success == true","objective":0.99,"severity":"critical",` + of, bad, `{"severity":"critical","fires_by":"10s","value":100},{"severity":"warning","value":100}`},
		"anomaly": {`"type":"anomaly","metric":"requests","op":"<","factor":0.5,"window":"2s","baseline":"4s","min_count":1,` + of,
			good, `{"fires_by":"8s","value":14}`}, // half of a window is over; 28.5 are usual
		"sequence": {`"type":"sequence","steps":["event_type == \"llm_request\" && data.success == false","event_type == \"user_feedback\" && data.thumbs == \"down\""],"within":"60s","group_by":["request_id"]`,
			strings.Replace(bad, "}}]", `}},{"at":"30s","event_type":"user_feedback","data":{"request_id":"r7","thumbs":"down"}},{"at":"31s","event_type":"user_feedback","data":{"request_id":"r8","thumbs":"up"}}]`, 1),
			`{"key":{"request_id":"r7"},"fires_by":"31s","resolves_by":"91s","value":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := one(t, `{"name":"x",`+tt.rule+`,"tests":[{"name":"it fires",`+tt.events+`,"until":"2m","expect":[`+tt.expect+`]}]}`)
			results, err := Check(t.Context(), &r)
			if err != nil || len(results) != 1 || len(results[0].Alerts) == 0 {
				t.Fatalf("got %+v, %v", results, err)
			}
			for _, fault := range results[0].Failed {
				t.Error(fault)
			}
		})
	}
}

// A test says what is not as expected, and in which line that was expected.
func TestCheckTellsWhatIsWrong(t *testing.T) {
	r := one(t, plain+`group_by: [model]
tests:
  - name: all of it is wrong
    events:
      - {at: 0s, every: 1s, count: 5, event_type: llm_request, data: {model: a}}
      - {at: 0s, every: 1s, count: 5, event_type: llm_request, data: {model: b}}
      - {at: 0s, every: 1s, count: 5, event_type: llm_request, data: {model: c}}
    expect:
      - {key: {model: a}, fires_by: 1s, resolves_by: 2s, value: 7}
      - {key: {model: b}}
      - {key: {model: d}}
`)
	results, err := Check(t.Context(), &r)
	if err != nil {
		t.Fatal(err)
	}
	want := `line 15: it fires later than 1s: model=a warning, value 2, fires at 2s, resolves at 64s
line 15: it does not resolve by 2s: model=a warning, value 2, fires at 2s, resolves at 64s
line 15: the value is not 7: model=a warning, value 2, fires at 2s, resolves at 64s
line 17: the alert does not fire
not expected, but it fires: model=c warning, value 2, fires at 2s, resolves at 64s`
	if got := strings.Join(results[0].Failed, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
