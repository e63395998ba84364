package conf

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEnvFileAsSystemdReadsIt(t *testing.T) {
	text := "# comment \\\nstill comment=1\n; another\n\nA=1\r\nB = two words  \nC='single \\n $x'\nD=\"a \\\"q\\\" \\\\ \\$ \\x\"\nE=one\\\n two\nF=a\\ b\\ \nG='x'\"y\"z\nH=\nI=a#b\nJ=\"line\nbreak\"\nnone\n1X=a\nK=0 * * * *\nL='open\n"
	lines, bad := parseEnvFile(text)
	var got []string
	for _, l := range lines {
		got = append(got, fmt.Sprintf("%d %s=%q", l.line, l.key, l.value))
	}
	want := []string{`5 A="1"`, `6 B="two words"`, `7 C="single \\n $x"`, `8 D="a \"q\" \\ $ \\x"`, `9 E="one two"`, `11 F="a b "`, `12 G="xyz"`, `13 H=""`, `14 I="a#b"`, `15 J="line\nbreak"`, `19 K="0 * * * *"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if fmt.Sprint(bad) != "[{none no KEY=VALUE 17} {1X not a name of a variable 18} {L the quote is not closed 20}]" {
		t.Errorf("bad: %v", bad)
	}
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if env, doubts, err := EnvFile(path); err != nil || len(env) != 11 || len(doubts) != 3 {
		t.Errorf("%v %v %v", env, doubts, err)
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"postgresql://citadel_admin:password@192.168.10.35:5432/airflow": "postgresql://citadel_admin:***@192.168.10.35:5432/airflow",
		"postgres://u:p@ss/w?o#rd@h/db":                                  "postgres://u:***@h/db",
		"see s3://key:secret@bucket and http://h/":                       "see s3://key:***@bucket and http://h/",
		"https://user@h/x":                                               "https://user@h/x",
		"http://h:80/a?b=c":                                              "http://h:80/a?b=c",
		"http://h/?token=abc&x=1":                                        "http://h/?token=***&x=1",
		"host=h user=u password='a b' dbname=d":                          "host=h user=u password=*** dbname=d",
		"sqlite:/data/hxp.db":                                            "sqlite:/data/hxp.db",
		"a://x:y@b://c:d@e":                                              "a://x:***@e",
	} {
		if got := Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	for name, target := range map[string]any{
		"no pointer": struct{}{},
		"no key":     &struct{ A int }{},
		"odd type": &struct {
			A uint8 `yaml:"a"`
		}{},
		"bad default": &struct {
			A int `yaml:"a" default:"x"`
		}{},
		"out of range": &struct {
			A int `yaml:"a" default:"0" min:"1"`
		}{},
		"twice": &struct {
			A int `yaml:"a"`
			B int `yaml:"a"`
		}{},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			newSchema(target)
		}()
	}
}
