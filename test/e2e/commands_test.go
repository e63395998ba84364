package e2e

import (
	"bytes"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// shown is what a page shows to be typed: a block of commands, or a command within a sentence.
type shown struct {
	page     string
	line     int
	mark     string // of a block: bash, which runs as it stands, or sh, which needs a scene; of a sentence ""
	text     string
	commands []string
}

// scene is what the reader of a page has when it comes to a command that cannot run as it stands.
type scene struct {
	shows  string   // how the block begins, or the whole command of a sentence
	before string   // what is done first
	typed  []string // pairs: what the page says, and what is typed in its place
	part   string   // what else than hxp has to be installed: a key of parts
}

var (
	fenced      = regexp.MustCompile("(?ms)^```([^\n]*)\n(.*?)^```")
	indented    = regexp.MustCompile(`(?m)^    (\S.*)$`)
	quoted      = regexp.MustCompile("`([^`\n]+)`")
	programs    = regexp.MustCompile(`^(?:[A-Z_]+=\S+ )*(?:sudo |bin/)?(?:hxp|airflow|airflowctl|amtool|apt|cat|createdb|createuser|curl|docker|go|journalctl|keytool|kill|kubectl|ln|make|openssl|pg_dump|pip|promtool|psql|python3?|spark-submit|systemctl|tools/\S+|touch|kafka-\S+\.sh) [^:]`)
	settingsOf  = regexp.MustCompile(`^(?:[A-Z_]+=\S* )*(?:bin/)?`)
	commentOf   = regexp.MustCompile(`\s+# .*$`)
	andSoOn     = regexp.MustCompile(` ?…$`)
	ofProgram   = regexp.MustCompile(`^(hxp|airflow) `)
	goesOn      = regexp.MustCompile(`^(?:hxp (?:up|run|tap)|hxp batch-processing-api)\b`)
	notCommands = regexp.MustCompile(`^airflow …: |──`) // what one of them says, and a drawing
)

// shownCommands are those of every page that there is, but for the one that tells of what is to come.
func shownCommands(t *testing.T) (list []shown) {
	t.Helper()
	pages := []string{"README.md"}
	for _, dir := range []string{"deploy", "docs", "examples"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, d fs.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".md" && d.Name() != "ROADMAP.md" {
				pages = append(pages, strings.TrimPrefix(filepath.ToSlash(path), "../../"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, page := range pages {
		text, err := os.ReadFile(filepath.Join("../..", page))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, shownBy(t, page, text)...)
	}
	return list
}

func shownBy(t *testing.T, page string, text []byte) (list []shown) {
	line := func(at int) int { return 1 + bytes.Count(text[:at], []byte("\n")) }
	for _, m := range fenced.FindAllSubmatchIndex(text, -1) {
		s := shown{page, line(m[0]), string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), nil}
		for _, c := range strings.Split(strings.ReplaceAll(s.text, "\\\n", " "), "\n") {
			if c = command(c); c != "" {
				s.commands = append(s.commands, c)
			}
		}
		switch {
		case s.mark == "bash" || s.mark == "sh":
			list = append(list, s)
		case slices.ContainsFunc(s.commands, isCommand):
			t.Errorf("%s:%d: commands stand in a block that is marked %q and not bash or sh", page, s.line, s.mark)
		}
	}
	prose := fenced.ReplaceAllFunc(text, func(block []byte) []byte { return bytes.Map(blank, block) })
	for _, pattern := range []*regexp.Regexp{indented, quoted} {
		for _, m := range pattern.FindAllSubmatchIndex(prose, -1) {
			c := string(prose[m[2]:m[3]])
			if isCommand(c) {
				list = append(list, shown{page, line(m[0]), "", c, []string{command(c)}})
			}
		}
	}
	return list
}

func isCommand(text string) bool { return programs.MatchString(text) && !notCommands.MatchString(text) }

// blank keeps the lines where they are.
func blank(r rune) rune {
	if r == '\n' {
		return r
	}
	return ' '
}

// command is a line without what surrounds its command.
func command(line string) string {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "#") {
		return ""
	}
	return strings.Join(strings.Fields(settingsOf.ReplaceAllString(commentOf.ReplaceAllString(line, ""), "")), " ")
}

// of is the scene of what is shown, if it has one.
func (s shown) scene() (scene, bool) {
	i := slices.IndexFunc(scenes, func(c scene) bool {
		return s.mark == "" && c.shows == s.text || s.mark != "" && strings.HasPrefix(s.text, c.shows)
	})
	if i < 0 {
		return scene{}, false
	}
	return scenes[i], true
}

// begun tells whether one of the commands begins with these words.
func begun(commands []string, words string) bool {
	return slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c+" ", words+" ") })
}

// plan is what is to be run: each block, and each command of a sentence that none of the others begins with. ran are all of their commands.
func plan(t *testing.T) (list []shown, ran []string) {
	t.Helper()
	all := shownCommands(t)
	take := func(s shown) {
		list = append(list, s)
		for _, c := range s.commands {
			if _, not := unrun[c]; !not {
				ran = append(ran, c)
			}
		}
	}
	for _, s := range all {
		if s.mark != "" {
			take(s)
		}
	}
	for _, mentions := range []bool{false, true} { // one that says less than another is held by the other
		for _, s := range all {
			_, staged := s.scene()
			_, not := unrun[s.commands[0]]
			if s.mark == "" && !not && staged != mentions && !begun(ran, andSoOn.ReplaceAllString(s.commands[0], "")) {
				take(s)
			}
		}
	}
	return list, ran
}

// approval is of the README alone, whose test looks for what follows from it.
const approval = `hxp responses approve "$(hxp responses list --state proposed | awk 'NR == 2 {print $1}')" --reason "a try"`

// TestEveryCommandShownIsRun: what the pages show is run by TestCommandsOfTheDocs, by TestFirstSteps or beside the parts of others, or it is listed
// with the reason why it is not; and something of what each command of hxp prints is known.
func TestEveryCommandShownIsRun(t *testing.T) {
	list, ran := plan(t)
	used := map[string]bool{}
	for _, s := range list {
		_, staged := s.scene()
		left := slices.DeleteFunc(slices.Clone(s.commands), func(c string) bool { _, not := unrun[c]; return not })
		if s.mark == "sh" && !staged && len(left) > 0 {
			t.Errorf("%s:%d: no scene for a block that does not run as it stands: %q", s.page, s.line, left)
		}
		if s.mark == "" && !staged && !ofProgram.MatchString(s.commands[0]) && !strings.HasPrefix(s.commands[0], "curl ") {
			t.Errorf("%s:%d: `%s` is neither run nor listed", s.page, s.line, s.text)
		}
	}
	for _, s := range shownCommands(t) {
		for _, c := range s.commands {
			used[c] = true
		}
		if c, ok := s.scene(); ok {
			used[c.shows] = true
		}
	}
	for _, c := range scenes {
		if !used[c.shows] {
			t.Errorf("no page shows what the scene %q is for", c.shows)
		}
	}
	for c, h := range unrun {
		if !used[c] || h.why == "" {
			t.Errorf("no page shows %q, or there is no reason why it is not run", c)
		}
	}
	for words := range prints {
		if !begun(ran, words) {
			t.Errorf("no command that is run begins with %q", words)
		}
	}
	for words, says := range prints {
		if says == "" {
			t.Errorf("nothing is asked of what %q prints", words)
		}
	}
	known := slices.Collect(maps.Keys(prints))
	for _, c := range ran {
		if ofProgram.MatchString(c) && c != approval && !goesOn.MatchString(c) && !slices.ContainsFunc(known, func(words string) bool { return begun([]string{c}, words) }) {
			t.Errorf("what %q prints is not known", c)
		}
	}
	t.Logf("%d commands are run, %d are listed", len(ran), len(unrun))
}

// stage is what each script begins with: commands that go on until they are stopped are started beside it, on free ports and folders of
// their own unless the scene says FOREIGN, awaited, and stopped at its end.
const stage = `
hxp() { case "$1" in up|run|batch-processing-api) goes_on "$@" ;; *) command hxp "$@" ;; esac; }
goes_on() {
  ready=$PWD/ready-$RANDOM.json
  ( [ -n "${FOREIGN-}" ] || export KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:0
    export HXP_DATA_DIR=$PWD/data-$RANDOM
    for p in $PORTS; do export $p=0; done
    [ -z "${WAY_IN-}" ] || export KAFKA_API_PORT=$WAY_IN
    exec hxp "$@" --ready-file "$ready" ) &
  await $! "$ready"
}
await() { # PID FILE
  until [ -s "$2" ]; do kill -0 "$1" || return 1; sleep 0.1; done
  cat "$2"
}
broker() { # one that is nobody else's
  goes_on run broker
  export FOREIGN=1 KAFKA_BOOTSTRAP_SERVERS=$(sed -n 's/.*"kafka": *"\([^"]*\)".*/\1/p' "$ready")
}
curl() { command curl -sS --fail-with-body "${@/#-sf/-s}"; } # an answer of refusal is a failure
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
second() { awk -v n="${1-1}" 'NR == 2 {print $n}'; }
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
`

const ended = `
for job in $(jobs -pr); do kill -TERM $job; wait $job; done
`

// TestCommandsOfTheDocs runs what the docs show, one page after the other and then what stands in sentences, beside a running hxp.
func TestCommandsOfTheDocs(t *testing.T) {
	bash := shellTools(t, "bash", "curl", "python3", "awk")
	h := prepare(t, "127.0.0.1:0", "--demo", "--rate", "20")
	folder, port := h.firstSteps(t)
	receiver := exec.CommandContext(t.Context(), "python3", filepath.Join(folder, "receiver.py"), port) // the context ends it
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = receiver.Wait() })
	targets := filepath.Join(folder, "services", "event-processing-api.yaml")
	text, err := os.ReadFile(targets)
	if err == nil { // one that takes back what it did
		err = os.WriteFile(targets, bytes.ReplaceAll(text, []byte(`/"}`), []byte(`/", phases: [apply, revert]}`)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.args, h.env = append(h.args, "--config", folder), append(h.env, "HXP_WEBHOOK_ALLOW=127.0.0.0/8",
		"HXP_RESPONSES_COOLDOWN=1s") // the second scene with a proposal may come when that of the first has ended with its alert
	h.up(t)
	h.commits(t, "my-group")
	env := append(h.typed(t), "PORTS="+strings.Join(ports, " "), "REPO="+repository(t))
	list, _ := plan(t)
	for _, s := range list {
		c, staged := s.scene()
		if s.page == "README.md" && s.mark == "bash" || c.part != "" || !staged && s.mark == "sh" { // TestFirstSteps, other parts, listed
			continue
		}
		t.Run(s.page+":"+s.commands[0], func(t *testing.T) { h.act(t, bash, env, s, c) })
	}
}

// commits makes the consumer group of somebody else.
func (h *instance) commits(t *testing.T, group string) {
	t.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(h.url("kafka")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := kadm.Offsets{}
	at.AddOffset("llm-requests", 0, 1, -1)
	if _, err := kadm.NewClient(c).CommitOffsets(t.Context(), group, at); err != nil {
		t.Fatal(err)
	}
}

// act runs what is shown in its scene and looks for what its commands print.
func (h *instance) act(t *testing.T, bash string, env []string, s shown, c scene) {
	t.Helper()
	text := strings.ReplaceAll(s.text, "\\\n", " ")
	for _, line := range strings.Split(text, "\n") {
		if _, not := unrun[command(line)]; not {
			text = strings.Replace(text, line+"\n", "", 1)
		}
	}
	text = stage + c.before + "\n" + strings.NewReplacer(c.typed...).Replace(text) + "\n" + ended
	out, err := h.shell(t, bash, env, text)
	if err != nil {
		t.Errorf("%s:%d: %v\n%s\n%s\n%.5000s", s.page, s.line, err, c.before, s.text, out)
	}
	if os.Getenv("HXP_TEST_PRINTS") != "" {
		t.Logf("it printed\n%s", out)
	}
	for words, says := range prints {
		if begun(s.commands, words) && !strings.Contains(string(out), says) {
			t.Errorf("%s:%d: %s does not print %q:\n%.3000s", s.page, s.line, words, says, out)
		}
	}
}

func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// shellTools finds what shells need, or skips.
func shellTools(t *testing.T, names ...string) (first string) {
	t.Helper()
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skip(err)
		}
		if first == "" {
			first = path
		}
	}
	return first
}

// parts tells which of others' parts are here.
func (h *instance) parts() map[string]bool {
	has := func(name string) bool { _, err := exec.LookPath(name); return err == nil }
	return map[string]bool{
		"PostgreSQL":   h.sql != "" && has("psql"),
		"Apache Kafka": os.Getenv("HXP_REAL_KAFKA_TOOLS") != "",
		"Java":         has("keytool") && has("openssl"),
		"S3":           h.lake != "",
		"promtool":     has("promtool"),
		"Alertmanager": has("amtool"),
	}
}

// kafkaTools makes Apache Kafka's scripts of its classes.
func kafkaTools(t *testing.T) (bin string) {
	t.Helper()
	bin = t.TempDir()
	for script, class := range map[string]string{"kafka-consumer-groups.sh": "consumer.group.ConsumerGroupCommand", "kafka-console-producer.sh": "ConsoleProducer"} {
		text := "#!/bin/sh\nexec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '" + os.Getenv("HXP_REAL_KAFKA_TOOLS") + "' org.apache.kafka.tools." + class + " \"$@\"\n"
		if err := os.WriteFile(filepath.Join(bin, script), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// TestRealCommandsOfTheDocs runs those commands of the docs that are of others, with those that are installed.
func TestRealCommandsOfTheDocs(t *testing.T) {
	need(t, "", "")
	bash := shellTools(t, "bash", "curl", "python3", "awk")
	h := start(t, "127.0.0.1:0", "--demo", "--rate", "20")
	if os.Getenv("HXP_REAL_KAFKA_TOOLS") != "" {
		t.Setenv("PATH", kafkaTools(t)+":"+os.Getenv("PATH"))
	}
	env := append(h.typed(t), "PORTS="+strings.Join(ports, " "), "REPO="+repository(t), "S3="+os.Getenv("HXP_TEST_S3"))
	if u, err := url.Parse(h.sql); err == nil && h.sql != "" {
		password, _ := u.User.Password()
		env = append(env, "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(), "PGPASSWORD="+password, "PGDATABASE="+u.Path[1:])
	}
	there := h.parts()
	list, _ := plan(t)
	for _, s := range list {
		if c, _ := s.scene(); c.part != "" {
			t.Run(s.page+":"+s.commands[0], func(t *testing.T) {
				if !there[c.part] {
					t.Skipf("!!! SKIPPED: there is no %s: the command was not tried", c.part)
				}
				h.act(t, bash, env, s, c)
			})
		}
	}
}
