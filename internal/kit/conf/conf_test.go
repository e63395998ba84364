package conf

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write golden files anew")

// sample is a small tree with one setting of every kind.
type sample struct {
	DataDir string `yaml:"data_dir" env:"S_DATA_DIR" flag:"data-dir" default:"./data" doc:"Folder."`

	One oneFile `file:"one" doc:"The first file."`
	Two twoFile `file:"two"`
}

type oneFile struct {
	Service service  `yaml:"service" doc:"Listening."`
	Work    work     `yaml:"work"`
	More    moreWork `yaml:"work"`
	Targets []target `yaml:"targets" doc:"What is read."`
}

type twoFile struct {
	Service service `yaml:"service"`
	inner
	Inlined extra `yaml:",inline"`
}

type service struct {
	Port int    `yaml:"port" env:"S_PORT,S_OLD_PORT" flag:"port" default:"80" min:"0" max:"65535" doc:"Port."`
	Host string `yaml:"host" env:"S_HOST" default:"localhost" doc:"Host."`
}

type work struct {
	Timeout  time.Duration     `yaml:"timeout" env:"S_TIMEOUT" default:"30" unit:"s" min:"1" max:"1h" doc:"Limit."`
	Poll     time.Duration     `yaml:"poll_ms" env:"S_POLL" default:"500" unit:"ms" doc:"Poll."`
	Pause    time.Duration     `yaml:"pause" env:"S_PAUSE" default:"1m" doc:"Pause | rest."`
	Ratio    float64           `yaml:"ratio" env:"S_RATIO" default:"0.5" min:"0" max:"1" doc:"Ratio."`
	Bytes    int64             `yaml:"bytes" env:"S_BYTES" default:"9007199254740993" doc:"Bytes."`
	Enabled  bool              `yaml:"enabled" env:"S_ENABLED" default:"true" doc:"Switch."`
	Level    string            `yaml:"level" env:"S_LEVEL" default:"INFO" enum:"DEBUG,INFO,ERROR" doc:"Level."`
	Formats  []string          `yaml:"formats" env:"S_FORMATS" default:"json,csv" enum:"json,csv,pdf" doc:"Formats."`
	Labels   map[string]string `yaml:"labels" env:"S_LABELS" doc:"Labels."`
	URL      string            `yaml:"url" env:"S_URL" doc:"Address."`
	Password string            `yaml:"password" env:"S_PASSWORD" secret:"true" doc:"Password."`
}

type moreWork struct {
	Retries int `yaml:"retries" env:"S_RETRIES" default:"3" min:"0" doc:"Tries."`
}

// Validate refuses seven.
func (m *moreWork) Validate() error {
	if m.Retries == 7 {
		return errors.Join(errors.New("retries: seven is unlucky"), errors.New("something about all of it"))
	}
	return nil
}

// Doubts doubts nine.
func (m moreWork) Doubts() []string {
	if m.Retries == 9 {
		return []string{"retries: nine is a lot"}
	}
	return nil
}

type inner struct {
	Later string `yaml:"later" env:"S_LATER" doc:"For later."`
}

type extra struct {
	Extra int `yaml:"extra" default:"1"`
}

type target struct {
	Name     string            `yaml:"name"`
	Interval time.Duration     `yaml:"interval" default:"15s" min:"1s"`
	Labels   map[string]string `yaml:"labels"`
	Key      string            `yaml:"key" secret:"true"`
}

func (t target) Validate() error {
	if t.Name == "" {
		return errors.New("name: give it a name")
	}
	return nil
}

// folder writes files and returns where they are.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// golden compares with testdata, with the folder's name taken out.
func golden(t *testing.T, name, dir, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, dir, "DIR")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update writes it anew)\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

const badOne = `service:
  prot: 80
  port: "eighty"
  host: [a, b]
work:
  timeout: 2h
  timeout: 5
  poll_ms: soon
  pause: -1s
  ratio: 1.5
  bytes: 1.5
  enabled: perhaps
  level: DEBG
  formats: [json, [csv], pdf]
  url: [postgresql://admin:pl4nted@host/db]
  password: [pl4nted]
  pasword: pl4nted
  retries: 7
  data_dir: x
extra: 2
wrk: {}
targets:
  - name: a
    intervall: 5s
  - interval: 1ms
  - just text
"two\nlines": 1
? [a]
: 1
`

func TestAllFaultsAtOnce(t *testing.T) {
	dir := folder(t, map[string]string{
		"one.yaml":  badOne,
		"two.yaml":  "service: 5\n<<: {later: x}\nlater: &a {}\n",
		"tow.yaml":  "service: {}\n",
		"three.yml": "",
		"e.env":     "S_TIMEOUT=never\nno assignment here\nS_URL=https://u:pl4nted@h/\nS_FORMATS='json,doc'\n",
	})
	var s sample
	tree, err := Load(&s, Options{Dir: dir, EnvFile: filepath.Join(dir, "e.env"), Flags: map[string]string{"port": "70000", "nothing": "1"},
		Environ: []string{"S_PORT=99999", "S_PASSWORD=pl4nted", "S_RATIO=NaN", "S_LABELS=a", "OTHER=x", "S_BYTES=", "S_LEVEL="}})
	if err == nil {
		t.Fatal("no fault was found")
	}
	var warnings []string
	for _, w := range tree.Warnings {
		warnings = append(warnings, "warning: "+w.String())
	}
	got := err.Error() + "\n" + strings.Join(warnings, "\n") + "\n"
	if strings.Contains(got, "pl4nted") {
		t.Errorf("a secret is shown:\n%s", got)
	}
	golden(t, "faults.txt", dir, got)
}

func TestNotYAML(t *testing.T) {
	var out strings.Builder
	for i, text := range []string{"work: [\n", "a: b: c\n", "\tx: 1\n", "work:\n  url: *pl4nted\n", "--- {}\n--- {}\n", "- a\n", "text", "work: {enabled: true", "work: &a\n  labels: *a\n", "a: \xff", "a: \"\\xZZ\"\n"} {
		dir := folder(t, map[string]string{"one.yaml": text})
		var s sample
		_, err := Load(&s, Options{Dir: dir})
		fmt.Fprintf(&out, "%d %q: %v\n", i, text, err)
		if err == nil {
			t.Errorf("%q is taken", text)
		}
		if strings.Contains(fmt.Sprint(err), "pl4nted") {
			t.Errorf("a piece of the file is shown: %v", err)
		}
		golden(t, fmt.Sprintf("notyaml-%d.txt", i), dir, fmt.Sprintln(err))
	}
}

func TestShow(t *testing.T) {
	dir := folder(t, map[string]string{
		"one.yaml": "# comment\nservice:\n  port: 81\nwork:\n  timeout: 1m30s\n  poll_ms: 250\n  formats: [pdf, JSON]\n  labels: {team: a, password: pl4nted}\n  level: debug\n  password: pl4nted\n  url: postgresql://admin:pl4nted@host:5432/db?x=1\n  retries: 9\n  ratio:\n" +
			"targets:\n  - {name: n, key: pl4nted, labels: {a: b}}\n",
		"two.yaml": "later: now\nservice: ~\n",
	})
	var s sample
	tree, err := Load(&s, Options{Dir: dir, Environ: []string{"S_HOST=h", "S_OLD_PORT=82", "S_ENABLED=no"}, Flags: map[string]string{"data-dir": "/d"}})
	if err != nil {
		t.Fatal(err)
	}
	var text, js bytes.Buffer
	if err := errors.Join(tree.WriteText(&text), tree.WriteJSON(&js)); err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings {
		fmt.Fprintf(&text, "warning: %s\n", w)
	}
	if both := text.String() + js.String(); strings.Contains(both, "pl4nted") {
		t.Errorf("a secret is shown:\n%s", both)
	}
	golden(t, "show.txt", dir, text.String())
	golden(t, "show.json", dir, js.String())
	if !json.Valid(js.Bytes()) {
		t.Error("no JSON")
	}
	if got, want := tree.Notices(), []string{"nine is a lot (DIR/one.yaml:12:12 work.retries)"}; strings.ReplaceAll(fmt.Sprint(got), dir, "DIR") != fmt.Sprint(want) {
		t.Errorf("notices: %v", got)
	}
	if s.One.Work.Timeout != 90*time.Second || s.One.Work.Poll != 250*time.Millisecond || s.One.Service.Port != 82 || s.One.Work.Password != "pl4nted" || s.One.Targets[0].Interval != 15*time.Second || s.One.Work.Bytes != 9007199254740993 {
		t.Errorf("%+v", s.One)
	}
	if w := tree.Where("work.timeout"); w != filepath.Join(dir, "one.yaml")+":5:12" {
		t.Errorf("where: %s", w)
	}
}

func TestReference(t *testing.T) {
	golden(t, "reference.md", "\x00", string(Reference(&sample{}, "# Sample\n", func(string) string { return "restart" })))
}

// TestOrder: of the sources that give a value, the last in the order wins, and the origin names it.
func TestOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		given := func(what string) (int, bool) {
			return rapid.IntRange(0, 65535).Draw(r, what), rapid.Bool().Draw(r, "give "+what)
		}
		want, origin := 80, "default"
		o := Options{Flags: map[string]string{}}
		if n, ok := given("file"); ok {
			o.Dir = folder(t, map[string]string{"one.yaml": fmt.Sprintf("service:\n  port: %d\n", n)})
			want, origin = n, "file:"+filepath.Join(o.Dir, "one.yaml")+":2"
		}
		if n, ok := given("env file"); ok {
			o.EnvFile = filepath.Join(folder(t, map[string]string{"env": fmt.Sprintf("S_PORT=%d\n", n)}), "env")
			want, origin = n, "env:S_PORT"
		}
		old, givenOld := given("old name")
		if n, ok := given("environment"); ok {
			o.Environ = append(o.Environ, fmt.Sprintf("S_PORT=%d", n))
			want, origin = n, "env:S_PORT"
		}
		if givenOld {
			o.Environ = append(o.Environ, fmt.Sprintf("S_OLD_PORT=%d", old))
			if origin != "env:S_PORT" {
				want, origin = old, "env:S_OLD_PORT"
			}
		}
		if n, ok := given("flag"); ok {
			o.Flags["port"] = fmt.Sprint(n)
			want, origin = n, "flag:--port"
		}
		var s sample
		tree, err := Load(&s, o)
		if err != nil {
			r.Fatal(err)
		}
		if s.One.Service.Port != want || tree.Origin("one.service.port") != origin {
			r.Fatalf("got %d from %s, want %d from %s", s.One.Service.Port, tree.Origin("one.service.port"), want, origin)
		}
	})
}

func TestShare(t *testing.T) {
	dir := folder(t, map[string]string{"one.yaml": "service: {host: a}\n"})
	var s sample
	tree, err := Load(&s, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got := tree.Shared()["service.host"]; !slices.Equal(got, []string{"one.service.host", "service.host"}) {
		t.Errorf("shared: %v", got)
	}
	if tree.Equal("one.service.host", "service.host") || tree.IsSet("service.host") {
		t.Error("they are equal before")
	}
	tree.Copy("one.service.host", "service.host")
	if s.Two.Service.Host != "a" || tree.Origin("service.host") != tree.Origin("one.service.host") {
		t.Errorf("%q from %s", s.Two.Service.Host, tree.Origin("service.host"))
	}
}

func TestManyFaultsAreCounted(t *testing.T) {
	dir := folder(t, map[string]string{"one.yaml": strings.Repeat("x: 1\n", 1000)})
	var s sample
	_, err := Load(&s, Options{Dir: dir})
	faults, _ := errors.AsType[Faults](err)
	if len(faults) != maxFaults+1 || faults[maxFaults].String() != filepath.Join(dir, "one.yaml")+": and 900 more faults" {
		t.Errorf("%d faults, the last: %v", len(faults), faults[len(faults)-1])
	}
}

func TestBigAndOddFiles(t *testing.T) {
	dir := folder(t, map[string]string{"one.yaml": "# " + strings.Repeat("x", MaxFileBytes)})
	if err := os.Mkdir(filepath.Join(dir, "two.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	var s sample
	_, err := Load(&s, Options{Dir: dir, EnvFile: filepath.Join(dir, "none")})
	for _, want := range []string{"one.yaml: cannot be read: ", "larger than 1048576 bytes", "two.yaml: cannot be read: ", "none:0: --env-file: cannot be read: no such file"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

// FuzzLoad: whatever a file holds, Load returns, and what it says of it is one line a fault without control characters.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(badOne))
	f.Add([]byte("work: {labels: {a: &x b, c: *x}}"))
	f.Add([]byte("a: &a [*a]\nwork: {formats: *a}"))
	f.Add([]byte("<<: *x"))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Add([]byte(strings.Repeat("a: {", 100)))
	f.Add([]byte("targets: [{name: x}, *y]"))
	f.Add([]byte("!!binary a: b\n? ? ?\n"))
	f.Add([]byte("&a work: *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s sample
		sc := newSchema(&s)
		y := &yamlFile{schema: sc, name: "one", path: "one.yaml"}
		y.load(data)
		for _, fault := range y.faults {
			if line := fault.String(); strings.ContainsAny(line, "\n\r\x00") || len(line) > 2000 {
				t.Errorf("%q", line)
			}
		}
		if tree := (&Tree{schema: sc}); tree.WriteJSON(&bytes.Buffer{}) != nil {
			t.Error("the tree cannot be shown")
		}
	})
}

// FuzzEnvFile: whatever a file holds, names are names and the reader ends.
func FuzzEnvFile(f *testing.F) {
	f.Add("A=1\n# c\n;d\n B = 'x y' \nC=\"a\\\"b\\\n c\"\nD=a\\ b\\\nc  \nE='\nF")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := parseEnvFile(text)
		for _, l := range lines {
			if !validEnvName(l.key) || l.line < 1 || l.line > strings.Count(text, "\n")+1 {
				t.Errorf("%+v", l)
			}
		}
	})
}
