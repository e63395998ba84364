package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// unit reads a unit of systemd: the values of each key, in their order, by "Section.Key".
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out, section := map[string][]string{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		if key, value, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "#") {
			out[section+"."+key] = append(out[section+"."+key], value)
		} else if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
		}
	}
	return out
}

// TestUnits: the units differ in what they run alone, and are hardened alike.
func TestUnits(t *testing.T) {
	all := map[string]map[string][]string{}
	for _, path := range glob(t, "deploy/systemd/*.service") {
		all[strings.TrimSuffix(filepath.Base(path), ".service")] = unit(t, path)
	}
	runs := map[string]string{
		"citadel-hxp":                  "up",
		"citadel-kafka-api":            "run kafka-api",
		"citadel-event-processing-api": "run event-processing-api alert",
		"citadel-batch-processing-api": "run batch-processing-api scheduler",
		"citadel-data-streaming-api":   "run data-streaming-api dashboards",
	}
	if len(all) != len(runs) {
		t.Errorf("%d units", len(all))
	}
	whole := all["citadel-hxp"]
	mayDiffer := regexp.MustCompile(`^(Unit\..*|Install\.Alias|Service\.(ExecStart|Environment|ProcSubset))$`)
	for name, want := range runs {
		u := all[name]
		if got := strings.Join(u["Service.ExecStart"], ""); got != "/usr/bin/hxp "+want {
			t.Errorf("%s runs %q", name, got)
		}
		for key, value := range whole {
			if !mayDiffer.MatchString(key) && strings.Join(u[key], "\n") != strings.Join(value, "\n") {
				t.Errorf("%s: %s is %v, that of citadel-hxp %v", name, key, u[key], value)
			}
		}
		if limit := strings.Join(u["Unit.StartLimitIntervalSec"], ""); limit != "0" || strings.Join(u["Service.Restart"], "") != "on-failure" {
			t.Errorf("%s is given up after some starts (%q): a database that is away for five minutes would be enough", name, limit)
		}
		if after := strings.Join(u["Unit.After"], " "); !strings.Contains(after, "kafka.service") || !strings.Contains(after, "postgresql.service") {
			t.Errorf("%s does not wait for the broker and the database of this machine: After=%s", name, after)
		}
		if alias := strings.Join(u["Install.Alias"], " "); (alias == "airflow-scheduler.service") != (name == "citadel-hxp" || name == "citadel-batch-processing-api") {
			t.Errorf("%s has the alias %q", name, alias)
		}
	}
}

// mostExposed is the most that systemd-analyze security may find in a unit, of 100, where nothing is held back. What is left is the network, which
// is what hxp is for.
const mostExposed = "14"

// TestSystemdAnalyze lets systemd itself judge the units, where it is installed.
func TestSystemdAnalyze(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	dir := t.TempDir()
	for _, path := range glob(t, "deploy/systemd/*.service") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copied := filepath.Join(dir, filepath.Base(path)) // the program need not be installed where this runs
		if err := os.WriteFile(copied, []byte(strings.Replace(string(text), "ExecStart=/usr/bin/hxp", "ExecStart=/bin/true", 1)), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", copied).CombinedOutput()
		if err != nil || strings.Contains(string(out), filepath.Base(path)) {
			t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
		}
		if out, err := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold="+mostExposed, copied).CombinedOutput(); err != nil {
			t.Errorf("%s is more exposed than %s of 100: %v\n%s", filepath.Base(path), mostExposed, err, out)
		}
	}
}
