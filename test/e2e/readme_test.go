package e2e

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	fence  = regexp.MustCompile("(?ms)^```bash([^\n]*)\n(.*?)^```")
	folded = regexp.MustCompile(`msg="hourly aggregation" .*hours=(\d+)`)
)

// quiet sees that the addresses stay on the screen while the hours of the past are folded.
func (h *instance) quiet(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "the hours of two days", func() bool {
		hours := 0
		for _, m := range folded.FindAllSubmatch(h.logTail(1<<20), -1) {
			n, _ := strconv.Atoi(string(m[1])) // digits, as the pattern says
			hours += n
		}
		return hours >= 47
	})
	if _, behind, _ := bytes.Cut(h.logTail(1<<20), []byte("stop with Ctrl-C")); bytes.Count(behind, []byte("\n")) > 12 {
		t.Errorf("behind the addresses stand\n%s", behind)
	}
}

// firstSteps copies the examples that the README begins with, with a free port for their receiver.
func (h *instance) firstSteps(t *testing.T) (folder, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port = fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	l.Close()
	folder = filepath.Join(h.dir, "examples", "first-steps")
	for _, name := range []string{"receiver.py", "rule.yaml", "people.yaml", "services/event-processing-api.yaml"} {
		text, err := os.ReadFile(filepath.Join("../../examples/first-steps", name))
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), bytes.ReplaceAll(text, []byte("8765"), []byte(port)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return folder, port
}

// TestFirstSteps does what the README shows, in its order, beside what `make run` starts: an event, a rule, an alert that somebody is told of,
// a proposal that is approved and carried out, and a report.
func TestFirstSteps(t *testing.T) {
	bash := shellTools(t, "bash", "curl", "python3", "awk")
	h := prepare(t, "127.0.0.1:0", "--demo", "--past", "48h", "--rate", "0.2")
	folder, port := h.firstSteps(t)
	h.args, h.env = append(h.args, "--config", folder), append(h.env, "HXP_WEBHOOK_ALLOW=127.0.0.0/8")
	h.up(t)
	var past struct{ Overall struct{ Requests float64 } }
	eventually(t, 30*time.Second, "two days before now", func() bool {
		h.get(t, "event-processing-api", "/analytics?window=172800", &past)
		return past.Overall.Requests > .2*172800*.9
	})
	h.quiet(t)

	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "trap 'kill $(jobs -p)' EXIT\n"
	for _, m := range fence.FindAllSubmatch(readme, -1) {
		script += string(bytes.ReplaceAll(m[2], []byte("8765"), []byte(port)))
	}
	out, err := h.shell(t, bash, h.typed(t), script+"sleep 5\n")
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, want := range []string{`"accepted":1`, `"requests":1`, "told of firing my-slow-answers my-model answers slowly", "asked to apply scale {'add': '1', 'model': 'my-model'}"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("nothing says %q", want)
		}
	}
	if pdf, err := os.ReadFile(filepath.Join(h.dir, "yesterday.pdf")); err != nil || !bytes.HasPrefix(pdf, []byte("%PDF")) || len(pdf) < 10_000 {
		t.Errorf("the report: %d bytes, %v", len(pdf), err)
	}
	h.stop(t)
	h.up(t)
	if !bytes.Contains(h.logTail(20_000), []byte("the generated traffic has no past")) {
		t.Error("a second start makes a past again")
	}
	if t.Failed() {
		t.Logf("%s\n%s", script, out)
	}
}
