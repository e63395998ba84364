package e2e

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const pages = "../../docs"

// standardPorts are those of the pages, by service.
var standardPorts = map[string]string{"9099": "kafka-api", "9100": "event-processing-api", "9101": "batch-processing-api", "9102": "data-streaming-api", "8080": "scheduler",
	"8501": "operations", "8502": "business", "8503": "performance", "8504": "system"}

var standardAddress = regexp.MustCompile(`\b(?:localhost|127\.0\.0\.1):(\d{4})\b`)

// typed is the environment of somebody who types commands beside this instance.
func (h *instance) typed(t *testing.T) []string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"hxp", "airflow"} {
		if err := os.Symlink(binary, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return append(h.settings(), "PATH="+bin+":"+os.Getenv("PATH"))
}

// shell runs commands in the folder of this instance, where ./data is the data folder, as the pages say. Only ports are replaced.
func (h *instance) shell(t *testing.T, bash string, env []string, text string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, "-e", "-o", "pipefail", "-c", standardAddress.ReplaceAllStringFunc(text, func(text string) string {
		service, known := standardPorts[text[len(text)-4:]]
		if !known {
			return text
		}
		return strings.TrimPrefix(h.url(service), "http://")
	}))
	cmd.Dir, cmd.Env, cmd.WaitDelay = h.dir, env, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it started beside itself ends with it
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd.CombinedOutput()
}

// settings are the environment with which commands find this instance.
func (h *instance) settings() []string {
	env := append(cleanEnv(), "KAFKA_BOOTSTRAP_SERVERS="+h.url("kafka"), "HXP_DATA_DIR="+filepath.Join(h.dir, "data"))
	env = append(append(env, h.keys...), h.stores()...)
	for variable, service := range map[string]string{"KAFKA_API_PORT": "kafka-api", "EVENT_PROCESSING_API_PORT": "event-processing-api", "BATCH_PROCESSING_API_PORT": "batch-processing-api",
		"DATA_STREAMING_API_PORT": "data-streaming-api", "AIRFLOW_WEBSERVER_PORT": "scheduler", "OPERATIONS_DASHBOARD_PORT": "operations", "BUSINESS_DASHBOARD_PORT": "business",
		"PERFORMANCE_DASHBOARD_PORT": "performance", "SYSTEM_DASHBOARD_PORT": "system"} {
		if u, err := url.Parse(h.url(service)); err == nil {
			env = append(env, fmt.Sprintf("%s=%s", variable, u.Port()))
		}
	}
	return env
}

var pageLink = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)

// TestLinksOfTheDocs holds each link within the repository to a file, and its anchor to a heading.
func TestLinksOfTheDocs(t *testing.T) {
	seen := 0
	check := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range pageLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			seen++
			to := filepath.Join(filepath.Dir(path), filepath.FromSlash(m[1]))
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %s leads nowhere", path, m[0])
				continue
			}
			if m[2] != "" && filepath.Ext(to) == ".md" && !anchors(t, to)[m[2][1:]] {
				t.Errorf("%s: %s: there is no such heading", path, m[0])
			}
		}
	}
	err := filepath.WalkDir(pages, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			check(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"README.md", "CHANGELOG.md", "examples/streamlit/README.md"} {
		check(filepath.Join("../..", page))
	}
	if seen < 100 {
		t.Errorf("only %d links", seen)
	}
}

var heading = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)

// anchors are the names of the headings of a page, as GitHub makes them.
func anchors(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 127:
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(m[1])))
		out[name] = true
	}
	return out
}
