package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// trainingAnswers are the answers of docs/training.md by their numbers, each on one line.
func trainingAnswers(t *testing.T) []string {
	t.Helper()
	page, err := os.ReadFile(pages + "/training.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "## Answers")
	answers := regexp.MustCompile(`(?m)^\d+\. `).Split(text, -1)
	for i := range answers {
		answers[i] = strings.Join(strings.Fields(answers[i]), " ")
	}
	return answers
}

// TestTraining holds the answers of docs/training.md that are about what the program says to the program, with fewer requests than the training has.
// Tests of internal/app hold its figures.
func TestTraining(t *testing.T) {
	answers := trainingAnswers(t)
	h := start(t, "127.0.0.1:0")
	agree := func(n int, out string, phrases ...string) {
		t.Helper()
		for _, p := range phrases {
			if !strings.Contains(out, p) || !strings.Contains(answers[n], p) {
				t.Errorf("%q is not said by both, hxp:\n%.2000s\nand answer %d:\n%s", p, out, n, answers[n])
			}
		}
	}
	hour := time.Now().UTC().Truncate(time.Hour).Add(-time.Hour)
	h.say(t, "simulate", "--past", "2h", "--scenario", "incident", "--rate", "5")

	t.Run("the doctor", func(t *testing.T) { h.stops(t) }) // question 2
	t.Run("the hour", func(t *testing.T) { h.hourOfTheTraining(t, hour) })

	// 11
	if code, a := h.post(t, []byte(`{"event_type":"llm_request","data":{"duration_ms":"soon"}}`), nil); code != 422 || len(a.Errors) != 1 {
		t.Fatalf("%d %+v", code, a)
	} else {
		id := a.Errors[0].DeadLetterID
		agree(11, h.say(t, "dead-letters", "show", id), "wrong_type", "/data/duration_ms")
		h.say(t, "dead-letters", "redrive", id, "--patch", `{"data":{"duration_ms":90}}`)
		const topic = "llm-requests"
		messages := h.say(t, "topics", "messages", topic, "--contains", id, "--json")
		if !strings.Contains(messages, `"event_id":"`+id+`"`) || !strings.Contains(answers[11], "to the topic `"+topic+"`, as an event whose id is that of the letter") {
			t.Errorf("%s has\n%s\nthe letter was %s, and answer 11 says\n%s", topic, messages, id, answers[11])
		}
	}

	// 12
	second := exec.CommandContext(t.Context(), binary, "up")
	second.Dir, second.Env = h.dir, h.env
	out, err := second.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("a second hxp in the same folder: %v", err)
	}
	agree(12, string(out), "data folder ./data is in use: ", "locked by another process")
	if pid := fmt.Sprint(h.cmd.Process.Pid); !strings.Contains(string(out), pid) {
		t.Errorf("%s is not named: %s", pid, out)
	}
	wrong := doctor(t, append(cleanEnv(), "KAFKA_API_PORT=9100"), 1)
	agree(12, wrong["configuration"].Detail+" configuration", "port 9100 is already that of event-processing-api", "configuration")
	if len(wrong) != 1 || wrong["configuration"].Status != "fail" {
		t.Errorf("the doctor looks on: %v", wrong)
	}
}

// say runs a command as somebody in the folder of the instance does, and returns what it prints.
func (h *instance) say(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env, cmd.Dir = h.settings(), h.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("hxp %s: %v\n%s%s", strings.Join(args, " "), err, out, errs.Bytes())
	}
	return string(out)
}

// stops: what the doctor finds differs as answer 2 says when hxp is not there.
func (h *instance) stops(t *testing.T) {
	env := h.settings()
	running := doctor(t, env, 0)
	h.kill()
	stopped := doctor(t, env, 0)
	h.up(t)
	var (
		differ = regexp.MustCompile(`^(port of .*|broker|data folder in use)$`)
		gone   = regexp.MustCompile(`^(topics|clock and brokers|health of .*|.* DAGs|failed runs|completeness|windows|dead letters|consumer groups)$`)
	)
	for name, c := range running {
		other, there := stopped[name]
		if there == gone.MatchString(name) || there && (c.Detail != other.Detail) != differ.MatchString(name) {
			t.Errorf("%s: %+v, and %+v without hxp", name, c, other)
		}
	}
}

// hourOfTheTraining: windows, SQL and a report say the same of an hour, before and after a power cut.
func (h *instance) hourOfTheTraining(t *testing.T, hour time.Time) {
	h.say(t, "dags", "trigger", "hxp_hourly_aggregation", "--wait")
	numbers := func() [3]int64 {
		live, _ := h.window(t, hour)
		rows, _ := h.rows(t, hour)
		text := h.say(t, "reports", "generate", "hourly_summary", "--format", "json", "-o", "-", "--start", stamp(hour), "--end", stamp(hour.Add(time.Hour)))
		var report struct {
			Rows []struct {
				Model  string
				Errors int64
			}
		}
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		told := int64(-1)
		for _, r := range report.Rows {
			if r.Model == "_all" {
				told = r.Errors
			}
		}
		return [3]int64{live.errors, rows.errors, told}
	}
	before := numbers()
	if before[0] < 100 || before[1] != before[0] || before[2] != before[0] {
		t.Errorf("failed requests by the windows, SQL and the report: %v", before)
	}
	h.kill()
	h.up(t)
	if after := numbers(); after != before {
		t.Errorf("after a power cut %v, before it %v", after, before)
	}
}
