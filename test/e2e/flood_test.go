package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// rubbishKinds make an event that must be refused out of a good one. The last ones cost memory, so a flood has few of them.
var rubbishKinds = []struct {
	name  string
	heavy bool
	spoil func(q request, line string) string
}{
	{"half an object", false, func(_ request, line string) string { return line[:len(line)/2] }},
	{"no JSON", false, func(request, string) string { return "<html>502 Bad Gateway</html>" }},
	{"wrong type", false, func(_ request, line string) string {
		return regexp.MustCompile(`"duration_ms":\d+`).ReplaceAllString(line, `"duration_ms":"fast"`)
	}},
	{"not a number", false, func(_ request, line string) string {
		return regexp.MustCompile(`"duration_ms":\d+`).ReplaceAllString(line, `"duration_ms":NaN`)
	}},
	{"negative count", false, func(_ request, line string) string {
		return regexp.MustCompile(`"prompt_tokens":\d+`).ReplaceAllString(line, `"prompt_tokens":-5`)
	}},
	{"year 9999", false, func(q request, line string) string {
		return strings.Replace(line, stamp(q.at), "9999-12-31T23:59:59Z", 1)
	}},
	{"no time", false, func(q request, line string) string { return strings.Replace(line, stamp(q.at), "yesterday", 1) }},
	{"unknown type", false, func(_ request, line string) string { return strings.Replace(line, "llm_request", "no_such_type", 1) }},
	{"data is a list", false, func(request, string) string { return `{"event_type":"llm_request","data":[1,2]}` }},
	{"not UTF-8", false, func(_ request, line string) string { return strings.Replace(line, `"e2e"`, "\"\xff\xfe\"", 1) }},
	{"depth 10,000", true, func(request, string) string {
		return `{"event_type":"llm_request","data":` + strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_001)
	}},
	{"string of 2 MiB", true, func(_ request, line string) string {
		return strings.Replace(line, `"e2e"`, `"`+strings.Repeat("x", 2<<20)+`"`, 1)
	}},
}

// TestFlood sends 10,000 lines of rubbish mixed into 10,000 good events, over HTTP and then straight into the topic: exactly the
// good ones are counted, each of the others lies in the dead letters, and the process neither grows nor ends.
func TestFlood(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	h := start(t, "127.0.0.1:0")
	pid := h.cmd.Process.Pid
	for i, way := range []struct {
		name    string
		largest int // of one line; a topic takes no record above 1 MiB
		send    func(lines [][]byte)
	}{
		{"http", 4 << 20, func(lines [][]byte) {
			for len(lines) > 0 {
				n := min(500, len(lines))
				if status, _ := h.post(t, bytes.Join(lines[:n], []byte("\n")), nil); status != 207 && status != 202 && status != 422 {
					t.Fatalf("POST of a mixed batch: %d", status)
				}
				lines = lines[n:]
			}
		}},
		{"topic", 900 << 10, func(lines [][]byte) { h.produce(t, "llm-requests", lines...) }},
	} {
		hour := time.Date(2026, 3, 1, 10+i, 0, 0, 0, time.UTC)
		good := generate(uint64(40+i), 10_000, "flood-"+way.name, hour)
		bad := spoilt(10_000, way.largest, hour)
		all := append(lines(good), bad...)
		rand.New(rand.NewPCG(uint64(i), 5)).Shuffle(len(all), func(a, b int) { all[a], all[b] = all[b], all[a] })
		before := h.deadTotal(t)
		way.send(all)
		h.counted(t, hour, good)
		eventually(t, time.Minute, "10,000 dead letters by "+way.name, func() bool { return h.deadTotal(t)-before >= len(bad) })
		if n := h.deadTotal(t) - before; n != len(bad) {
			t.Errorf("%d dead letters by %s, want %d", n, way.name, len(bad))
		}
	}
	if rss := residentMiB(t, pid); rss >= 400 {
		t.Errorf("%d MiB resident after the flood, want less than 400", rss)
	}
	select {
	case <-h.done:
		t.Error("the process ended")
	default:
	}
}

// spoilt makes n lines that are no events, none of them above largest bytes.
func spoilt(n, largest int, hour time.Time) [][]byte {
	out := make([][]byte, 0, n)
	for i, q := range generate(50, n, "spoilt", hour) {
		k := rubbishKinds[i%len(rubbishKinds)]
		if k.heavy && i >= 20*len(rubbishKinds) {
			k = rubbishKinds[i%(len(rubbishKinds)-2)]
		}
		line := k.spoil(q, string(q.line()))
		if len(line) > largest {
			line = line[:largest]
		}
		out = append(out, []byte(line))
	}
	return out
}

func (h *instance) deadTotal(t testing.TB) (n int) {
	t.Helper()
	for _, count := range h.deadLetters(t) {
		n += count
	}
	return n
}

// residentMiB is the memory of a process that lies in RAM; the test is left out where /proc is not there to tell.
func residentMiB(t testing.TB, pid int) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skipf("resident memory cannot be read here: %v", err)
	}
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			if err != nil {
				t.Fatal(err)
			}
			return kib >> 10
		}
	}
	t.Fatal("no VmRSS in /proc")
	return 0
}
