package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// batchService is a batch-processing-api that answers one thing each, and remembers what it was asked.
type batchService struct {
	t       *testing.T
	answers map[string]string // by method and path
	asked   []string          // with the query, the condition and the body
}

func (s *batchService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	s.asked = append(s.asked, strings.Join(strings.Fields(r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("If-Match")+" "+body.String()), " "))
	answer, ok := s.answers[r.Method+" "+r.URL.Path]
	if !ok {
		s.t.Errorf("nobody expects %s %s", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(answer))
}

// hxp runs a command against the service and returns what it printed.
func (s *batchService) hxp(args ...string) (stdout, stderr string, err error) {
	s.t.Helper()
	server := httptest.NewServer(s)
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Setenv("BATCH_PROCESSING_API_PORT", port)
	s.t.Setenv("HXP_DATA_DIR", s.t.TempDir())
	var out, said bytes.Buffer
	root := rootCommand()
	root.SetOut(&out)
	root.SetErr(&said)
	root.SetArgs(args)
	err = root.ExecuteContext(s.t.Context())
	return out.String(), said.String(), err
}

// lines are the lines of a table, with one blank between cells.
func lines(table string) (out []string) {
	for line := range strings.Lines(table) {
		out = append(out, strings.Join(strings.Fields(line), " "))
	}
	return out
}

func TestCostsAccepted(t *testing.T) {
	s := &batchService{t: t, answers: map[string]string{"GET /costs/accepted": `{"from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z","judged":7,"with_their_request":6,"models":[
		{"model":"a","judged":4,"accepted":2,"acceptance_rate":0.5,"unpriced_requests":0,"cost_usd":4,"cost_usd_per_accepted_answer":2},
		{"model":"b","judged":2,"accepted":0,"acceptance_rate":0,"unpriced_requests":1,"cost_usd":null,"cost_usd_per_accepted_answer":null}]}`}}
	out, said, err := s.hxp("costs", "accepted", "--from", "2026-03-01", "--to", "2026-03-02T00:00:00Z")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"MODEL JUDGED ACCEPTED RATE UNPRICED COST USD USD PER ACCEPTED ANSWER", "a 4 2 50.0% 0 4 2.000000", "b 2 0 0.0% 1 - -"}; strings.Join(lines(out), "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", out)
	}
	if said != "hxp: 6 of 7 judgements lie in the hour of their request\n" {
		t.Errorf("%q", said)
	}
	if want := "GET /costs/accepted?from=2026-03-01T00%3A00%3A00Z&to=2026-03-02T00%3A00%3A00Z"; s.asked[0] != want {
		t.Errorf("asked %s, want %s", s.asked[0], want)
	}
	out, _, err = s.hxp("costs", "accepted", "--json")
	var got struct {
		Models []struct {
			Each *float64 `json:"cost_usd_per_accepted_answer"`
		} `json:"models"`
	}
	if err != nil || json.Unmarshal([]byte(out), &got) != nil || len(got.Models) != 2 || *got.Models[0].Each != 2 || got.Models[1].Each != nil {
		t.Errorf("%v %s", err, out)
	}
	if _, _, err = s.hxp("costs", "accepted", "--from", "spring"); codeOf(err) != 2 || !strings.Contains(err.Error(), `--from "spring"`) {
		t.Errorf("%v", err)
	}
}

func TestCostsReconcile(t *testing.T) {
	s := &batchService{t: t, answers: map[string]string{"GET /costs/reconciliation": `{"from":"2026-03-01T10:00:00Z","to":"2026-03-01T11:00:00Z",
		"total":{"engines":2,"samples":8,"gateway_prompt_tokens":3600,"gateway_completion_tokens":800,"engine_prompt_tokens":3600,"engine_completion_tokens":900,"prompt_ratio":1,"completion_ratio":1.125},
		"hours":[{"hour":"2026-03-01T10:00:00Z","engines":2,"samples":8,"gateway_prompt_tokens":3600,"gateway_completion_tokens":0,"engine_prompt_tokens":3600,"engine_completion_tokens":900,"prompt_ratio":1,"completion_ratio":null}]}`}}
	out, _, err := s.hxp("costs", "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"HOUR ENGINES GATEWAY PROMPT ENGINE PROMPT RATIO GATEWAY ANSWER ENGINE ANSWER RATIO", "2026-03-01T10:00:00Z 2 3600 3600 1.0000 0 900 -", "total 2 3600 3600 1.0000 800 900 1.1250"}
	if strings.Join(lines(out), "\n") != strings.Join(want, "\n") {
		t.Errorf("%s", out)
	}
	for within, wrong := range map[string]string{"13%": "", "0.125": "", "5%": "engines counted 1.1250 times the tokens of answers", "0": "farther from 1 than 0"} {
		for _, form := range [][]string{nil, {"--json"}} {
			out, _, err := s.hxp(append([]string{"costs", "reconcile", "--within", within}, form...)...)
			if wrong == "" && err != nil || wrong != "" && (codeOf(err) != 1 || !strings.Contains(err.Error(), wrong)) || out == "" {
				t.Errorf("within %s %v: %v", within, form, err)
			}
		}
	}
	for _, within := range []string{"101%", "-1", "near", "%", "NaN"} {
		if _, _, err := s.hxp("costs", "reconcile", "--within", within); codeOf(err) != 2 || !strings.Contains(err.Error(), "give a share such as 5%") {
			t.Errorf("within %s: %v", within, err)
		}
	}
	s.answers["GET /costs/reconciliation"] = `{"total":{"engines":0},"hours":[]}`
	if _, _, err := s.hxp("costs", "reconcile", "--within", "5%"); codeOf(err) != 1 || !strings.Contains(err.Error(), "nothing to compare the tokens of prompts with") {
		t.Errorf("%v", err)
	}
}

// Every question of costs is asked and shown in one way: a table, or the answer as JSON.
func TestCostsTables(t *testing.T) {
	s := &batchService{t: t, answers: map[string]string{
		"GET /costs":             `{"total":{"cost_usd":3,"requests":3,"unpriced_requests":1,"tokens":{"total":30}},"groups":[{"key":{"model":"a"},"cost_usd":3,"requests":2,"tokens":{"total":20}},{"key":{"model":null},"cost_usd":null,"requests":1,"unpriced_requests":1,"tokens":{"total":10}}],"next_cursor":"2"}`,
		"GET /costs/self-hosted": `{"cost_usd":8,"pools":[{"name":"old","from":null,"to":"2026-03-01T12:00:00Z","hours":2,"cost_usd":8,"used_usd":null,"idle_usd":null,"models":[{"model":"a","loaded_usd":8,"loaded_usd_per_million_tokens":4}]}]}`,
		"GET /costs/budgets":     `{"budgets":[{"name":"all","state":"within","budget_usd":100,"spent_usd":44,"used_ratio":0.44,"expected_usd":68.2}]}`,
		"GET /prices":            `{"prices":[{"model":"a","effective_from":"2026-01-01T00:00:00Z","known_from":null,"input_cost_per_token":0.000001}],"next_cursor":null}`,
		"POST /costs/whatif":     `{"moves":[{"from":"a","to":"b","share":0.5,"requests":5,"cost_usd_before":2,"cost_usd_after":1,"saving_usd":1,"saving_usd_month":30,"basis":"price"}],"cost_usd_before":4,"cost_usd_after":3,"saving_usd":1,"saving_usd_month":30}`,
	}}
	for _, tc := range []struct{ args, want string }{
		{"costs show --limit 2", "a 3 2 0 20"}, {"costs show --limit 2", "- - 1 1 10"}, {"costs show --limit 2", "total 3 3 1 30"},
		{"costs self-hosted", "old - 2026-03-01T12:00:00Z 2 8 - -"}, {"costs self-hosted", "a 8 - 4.0000 -"},
		{"costs budgets", "all within 100 44 44% 68.2000 -"}, {"costs prices list", "a 2026-01-01T00:00:00Z - 1e-06 - - -"},
		{"costs whatif --move 50%:a:b", "a b 5 2 1 1 30 price"}, {"costs whatif --move 50%:a:b", "total 4 3 1 30"},
	} {
		out, _, err := s.hxp(strings.Fields(tc.args)...)
		if err != nil || !strings.Contains(strings.Join(lines(out), "\n")+"\n", "\n"+tc.want+"\n") {
			t.Errorf("%s: %v\n%s; want %s", tc.args, err, out, tc.want)
		}
		if out, _, err := s.hxp(append(strings.Fields(tc.args), "--json")...); err != nil || !json.Valid([]byte(out)) {
			t.Errorf("%s --json: %v\n%s", tc.args, err, out)
		}
	}
	if _, said, err := s.hxp("costs", "show"); err != nil || !strings.Contains(said, "there are more lines") {
		t.Errorf("%v %q", err, said)
	}
	if _, _, err := s.hxp("costs", "show", "--limit", "0"); codeOf(err) != 2 {
		t.Errorf("%v", err)
	}
	if _, _, err := s.hxp("costs", "show", "--only", "user_id:ann", "--without", "tenant:a:b", "--without", "model:"); err != nil || !strings.Contains(s.asked[len(s.asked)-1], "user_id=ann&without=tenant%3Aa%3Ab&without=model%3A") {
		t.Errorf("%v, asked %s", err, s.asked[len(s.asked)-1])
	}
	for _, wrong := range [][2]string{{"--only", "ann"}, {"--only", ""}, {"--without", ""}, {"--without", "model"}, {"--without", ":a"}, {"--without", "model:a,tenant:b"}, {"--only", "model:a,user_id:"}} {
		before := len(s.asked)
		if _, _, err := s.hxp("costs", "show", wrong[0], wrong[1]); codeOf(err) != 2 || len(s.asked) != before {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, _, err := s.hxp("costs", "show", "--without", "endpoint:/a,b,c:d"); err != nil || !strings.Contains(s.asked[len(s.asked)-1], "without=endpoint%3A%2Fa%2Cb%2Cc%3Ad") {
		t.Errorf("a value with commas: %v, asked %s", err, s.asked[len(s.asked)-1])
	}
	const moved = `{"moves":[{"from":"a","to":"b","share":0.5}]}`
	if !strings.Contains(strings.Join(s.asked, "\n"), "POST /costs/whatif "+moved) {
		t.Errorf("asked %s", strings.Join(s.asked, "\n"))
	}
}
