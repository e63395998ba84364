package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instead tells why a command is not run, and what holds it instead.
type instead struct {
	why     string
	section string // of tools/real/test-real, that does it or the like
	by      string // what does it there: a test, or words of the section's script
}

const ofStrangers = "strangers' clients on the embedded default"

// Why commands are not run.
var (
	building  = instead{why: "it builds or runs the tests themselves"}
	mentioned = instead{why: "it names a command of others, or its end, and is not to be typed"}
	systemd   = instead{why: "it needs a running systemd; TestSystemdHears and TestUnits hold what the units say"}
	packaged  = instead{"it needs root on a Debian", "the Debian package: installed, run, upgraded, purged", "dpkg -i"}
	compose   = instead{"it needs a container engine", "what is shipped, by the tools it is for", "docker-compose"}
	brokers   = instead{"it needs brokers that know users; TestRightsOfTheDocs holds the rights to those of the section", "end to end on Apache Kafka 4.3.1 with a client certificate and no more rights than needed", "TestEndToEnd"}
	notebook  = instead{"it needs Streamlit and Jupyter from PyPI", "the board and the notebook of examples/streamlit", "streamlit"}
	airflows  = instead{"it needs Apache Airflow's clients", ofStrangers, "TestRealAirflowClients"}
)

// with is the same with other words of the section's script.
func (h instead) with(by string) instead {
	h.by = by
	return h
}

// unrun are the commands that no test runs.
var unrun = map[string]instead{
	"make run":       {why: "it builds, and TestFirstSteps starts what it starts"},
	"make build":     building,
	"make test":      building,
	"make test-real": building,
	"make bench":     building,
	"make docs":      {why: "TestDocuments, TestMetricsPage and others hold its pages to the code, and write them with -update"},
	"make vuln":      {why: "it needs the database of known faults of Go"},
	"make deb":       packaged.with("tools/package/deb"),
	"go test ./test/e2e -run StatesOfEarlierVersions":                           building,
	"go test ./internal/batch/forecast -run 'TestM4Hourly|TestRequestRates' -v": building,
	"go test ./internal/batch/...":                                              building,
	"go test ./test/...":                                                        building,
	"python -m …":                                                               mentioned,
	"tools/real/schemathesis run DIR":                                           {"it needs schemathesis from PyPI", "every service beside its own description, with schemathesis", "tools/real/schemathesis run"},
	"tools/reproducible /usr/bin/hxp":                                           {"it builds for minutes", "a build in another folder gives the same bytes", "tools/reproducible"},

	"sudo dpkg -i dist/hxp_*.deb":                            packaged,
	"apt remove hxp":                                         packaged.with("dpkg -P"),
	"apt purge hxp":                                          packaged.with("dpkg -P"),
	"sudo cat /var/lib/citadel/admin.token":                  packaged.with("/var/lib/citadel/admin.token"),
	"sudo systemctl enable --now citadel-hxp":                systemd,
	"systemctl status citadel-hxp":                           systemd,
	"systemctl reload citadel-hxp":                           systemd,
	"systemctl reload":                                       systemd,
	"systemctl status airflow-scheduler":                     systemd,
	"journalctl -u airflow-scheduler -f":                     systemd,
	"journalctl -u citadel-hxp -p warning --since today":     systemd,
	"journalctl -u citadel-hxp -n 100":                       systemd,
	"journalctl -k":                                          systemd,
	"sudo systemctl edit citadel-hxp":                        systemd,
	"sudo systemctl reload citadel-hxp":                      systemd,
	"sudo systemctl status citadel-batch-processing-api":     systemd,
	"sudo systemctl status airflow-scheduler":                systemd,
	"sudo journalctl -u airflow-scheduler -n 200 --no-pager": systemd,
	"sudo journalctl -u citadel-batch-processing-api.service --no-pager | grep aggregation":                systemd,
	"sudo journalctl -u citadel-batch-processing-api.service --no-pager | grep report":                     systemd,
	`sudo journalctl -u citadel-batch-processing-api.service --since "1 week ago" --no-pager | grep ERROR`: systemd,
	"sudo systemctl restart citadel-batch-processing-api.service":                                          systemd,

	"docker build -t hxp -f Containerfile .": compose.with("Containerfile"),
	"docker compose up -d":                   compose,
	"kubectl apply -f deploy/kubernetes":     compose.with("deploy/kubernetes"),

	`acl() { kafka-acls.sh --bootstrap-server kafka1:9092 --command-config admin.properties --add --allow-principal User:hxp "$@"; }`:                                                 brokers,
	"acl --operation Read --operation Write --operation Create --operation DescribeConfigs --topic llm-requests --topic user-feedback --topic system-metrics --topic business-events": brokers,
	"acl --operation Read --operation Write --operation Create --operation DescribeConfigs --topic hxp- --resource-pattern-type prefixed":                                             brokers,
	"acl --operation Delete --operation Alter --topic hxp-panes":                                                                                                                      brokers,
	"acl --operation Read --group hxp- --resource-pattern-type prefixed":                                                                                                              brokers,

	"spark-submit deploy/spark/hourly_aggregation.py --files files.json --lake /var/lib/hxp/lake --from 2026-03-01T10:00:00Z --to 2026-03-01T12:00:00Z --output rows/ --format parquet": {
		"it needs Apache Spark", ofStrangers, "TestRealSpark"},
	"vllm serve my-model --port 8001 --enable-force-include-usage --enable-prompt-tokens-details": {why: "it needs vLLM and a GPU"},
	"airflowctl auth login --api-token T --api-url http://localhost:8080 --skip-keyring":          airflows,
	"airflowctl dags list": airflows,

	"cd examples/streamlit": notebook,
	"python3 -m venv .venv && .venv/bin/pip install -r requirements.txt": notebook,
	".venv/bin/streamlit run app.py -- --data-dir ../../data":            notebook,
	".venv/bin/jupyter execute hxp.ipynb":                                notebook.with("hxp.ipynb"),
}

// sectionOf is the section that has a part of others for the scenes that need it.
var sectionOf = map[string]string{
	"PostgreSQL":   "end to end on PostgreSQL",
	"S3":           "end to end with the lake on S3",
	"Apache Kafka": ofStrangers,
	"Java":         ofStrangers,
	"promtool":     ofStrangers,
	"Alertmanager": ofStrangers,
}

// TestWhatHoldsUnrunCommands: what is said to hold the commands that are not run is there: sections of tools/real/test-real with what they run, tests,
// targets of make, units of systemd. So are the sections that run what needs parts of others.
func TestWhatHoldsUnrunCommands(t *testing.T) {
	text := func(path string) string {
		data, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	real, makefile, tests, units := sectionsOf(text), text("Makefile"), testsOf(t), unitsOf(t)
	var (
		named  = regexp.MustCompile(`\bTest[A-Z]\w*`)
		target = regexp.MustCompile(`^make (\S+)$`)
		only   = regexp.MustCompile(`^go test \./(\S+?)(?:/\.\.\.)?(?: -run '?([^' ]+)'?.*)?$`)
		ofUnit = regexp.MustCompile(`\b(citadel-[\w-]+|airflow-scheduler)\b`)
	)
	for _, c := range scenes {
		if c.part != "" && !real.does(instead{section: sectionOf[c.part], by: "TestRealCommandsOfTheDocs"}, tests) {
			t.Errorf("%q: no section of test-real with %s runs it", c.shows, c.part)
		}
	}
	for c, h := range unrun {
		if h.section != "" && !real.does(h, tests) {
			t.Errorf("%q: section %q of test-real does not run %q", c, h.section, h.by)
		}
		for _, name := range named.FindAllString(h.why, -1) {
			if tests[name] == nil {
				t.Errorf("%q: there is no %s", c, name)
			}
		}
		if m := target.FindStringSubmatch(c); m != nil && !strings.Contains(makefile, "\n"+m[1]+":") {
			t.Errorf("make has no target %s", m[1])
		}
		if m := only.FindStringSubmatch(c); m != nil && !anyTest(tests, m[1], m[2]) {
			t.Errorf("%q runs no test", c)
		}
		if m := ofUnit.FindStringSubmatch(c); m != nil && strings.Contains(c, "ctl ") && !units[m[1]] {
			t.Errorf("%q: there is no unit %s", c, m[1])
		}
	}
}

// sections are those of tools/real/test-real: what each of them runs, by its name.
type sections struct {
	runs map[string]string
	text func(path string) string
}

func sectionsOf(text func(path string) string) sections {
	script := text("tools/real/test-real")
	for _, m := range regexp.MustCompile(`(?m)^(\w+)='(.*)'$`).FindAllStringSubmatch(script, -1) {
		script = strings.ReplaceAll(script, `"$`+m[1]+`"`, m[2])
	}
	s := sections{map[string]string{}, text}
	for _, m := range regexp.MustCompile(`(?m)\b(?:section|beside) "([^"]+)" (.+)$`).FindAllStringSubmatch(script, -1) {
		s.runs[m[1]], _, _ = strings.Cut(m[2], " -test.skip ")
	}
	return s
}

// does tells whether a section runs what holds a command: a test that one of its patterns matches, or a script, or one that this one calls, in which the
// words stand.
func (s sections) does(h instead, tests map[string][]string) bool {
	runs := s.runs[h.section]
	if tests[h.by] != nil {
		return slices.ContainsFunc(strings.Fields(runs), func(word string) bool {
			pattern, err := regexp.Compile(strings.Trim(word, `'"`))
			return err == nil && strings.HasPrefix(strings.Trim(word, `'"`), "Test") && pattern.MatchString(h.by)
		})
	}
	return runs != "" && strings.Contains(runs+s.calls(runs, map[string]bool{}), h.by)
}

var scriptOf = regexp.MustCompile(`\btools/[a-z-]+(?:/[a-z-]+(?:\.mjs)?)?\b`)

// calls are the scripts that a text names, and those that these name, without their comments.
func (s sections) calls(text string, seen map[string]bool) (all string) {
	for _, path := range scriptOf.FindAllString(text, -1) {
		if info, err := os.Stat(filepath.Join("../..", path)); err != nil || info.IsDir() || seen[path] {
			continue
		}
		seen[path] = true
		script := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(s.text(path), "")
		all += script + s.calls(script, seen)
	}
	return all
}

// testsOf are all tests of the repository, with the folders of their packages.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, top := range []string{"api", "cmd", "deploy", "internal", "sdk", "test", "web"} {
		err := filepath.WalkDir(filepath.Join("../..", top), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range function.FindAllSubmatch(text, -1) {
				tests[string(m[1])] = append(tests[string(m[1])], strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tests
}

// anyTest tells whether a test in a folder, or below it, has a name that a pattern matches.
func anyTest(tests map[string][]string, folder, pattern string) bool {
	matches := regexp.MustCompile(pattern)
	for name, in := range tests {
		if matches.MatchString(name) && slices.ContainsFunc(in, func(dir string) bool { return strings.HasPrefix(dir+"/", folder+"/") }) {
			return true
		}
	}
	return false
}

// unitsOf are the names of the units, and their other ones.
func unitsOf(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("../../deploy/systemd/*.service")
	if err != nil {
		t.Fatal(err)
	}
	units := map[string]bool{}
	for _, path := range paths {
		units[strings.TrimSuffix(filepath.Base(path), ".service")] = true
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^Alias=(\S+)\.service$`).FindAllSubmatch(text, -1) {
			units[string(m[1])] = true
		}
	}
	return units
}

// TestRightsOfTheDocs: what the page says that hxp needs on Apache Kafka is what the tests with its own brokers give it, and no more.
func TestRightsOfTheDocs(t *testing.T) {
	script, err := os.ReadFile("../../tools/real/kafka")
	if err != nil {
		t.Fatal(err)
	}
	rights := func(pattern string, lines []string) (found []string) {
		of := regexp.MustCompile(pattern)
		for _, line := range lines {
			if m := of.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
				found = append(found, strings.Join(strings.Fields(m[1]), " "))
			}
		}
		return found
	}
	given := rights(`^"\$\{acl\[@\]\}" (--operation .*)$`, strings.Split(string(script), "\n"))
	var listed []string
	for _, s := range shownCommands(t) {
		if s.page == "docs/runbooks/kafka.md" {
			listed = append(listed, rights(`^acl (--operation .*)$`, s.commands)...)
		}
	}
	if len(listed) < 4 || !slices.Equal(given, listed) {
		t.Errorf("given are\n%s\nlisted are\n%s", strings.Join(given, "\n"), strings.Join(listed, "\n"))
	}
}
