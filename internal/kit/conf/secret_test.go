package conf

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type keeper struct {
	Main struct {
		Password string `yaml:"password" env:"K_PASSWORD" secret:"true" doc:"Password."`
		URL      string `yaml:"url" env:"K_URL" secret:"url" doc:"Address."`
		Place    string `yaml:"place" env:"K_PLACE" secret:"place" doc:"Where."`
		Plain    string `yaml:"plain" env:"K_PLAIN" doc:"No secret."`
	} `file:"keeper"`
}

// A secret may be named by its place, in files and variables alike, and is then what is there.
func TestSecretsByPlace(t *testing.T) {
	kept := folder(t, map[string]string{"password": "hunter2\n", "url": "postgres://u:hunter3@h/n\n"})
	at := "file:" + filepath.Join(kept, "password")
	var k keeper
	tree, err := Load(&k, Options{Dir: folder(t, map[string]string{"keeper.yaml": "password: " + at + "\n"}),
		EnvFile: filepath.Join(folder(t, map[string]string{"env": "OTHER=postgres://u:hunter4@h/n"}), "env"),
		Environ: []string{"K_URL=env:OTHER", "K_PLACE=" + at, "K_PLAIN=" + at}})
	if err != nil {
		t.Fatal(err)
	}
	if m := k.Main; m.Password != "hunter2" || m.URL != "postgres://u:hunter4@h/n" || m.Place != at || m.Plain != at {
		t.Errorf("%+v", m)
	}
	var shown bytes.Buffer
	if err := tree.WriteJSON(&shown); err != nil {
		t.Fatal(err)
	}
	if s := shown.String(); strings.Contains(s, "hunter") || !strings.Contains(s, "postgres://u:***@h/n") || strings.Count(s, `"***"`) != 2 {
		t.Errorf("shown: %s", s)
	}
	if got := tree.Conceal("login with hunter2 at postgres://u:hunter9@h failed"); got != "login with *** at postgres://u:***@h failed" {
		t.Errorf("concealed: %s", got)
	}
	if got := tree.Variable("url"); got != "K_URL" {
		t.Errorf("variable %q", got)
	}
}

// A secret that cannot be read is a fault of the setting that names it, and nothing that was read is told.
func TestSecretsThatCannotBeRead(t *testing.T) {
	large := filepath.Join(folder(t, map[string]string{"large": strings.Repeat("hunter2", 1000)}), "large")
	for text, says := range map[string]string{"env:NOBODY_SET_THIS": "NOBODY_SET_THIS", "file:/no/such/file": "no such file", "file:" + large: "4096 bytes", "file:" + os.TempDir(): "no file"} {
		var k keeper
		_, err := Load(&k, Options{Environ: []string{"K_PASSWORD=" + text}})
		if err == nil || !strings.HasPrefix(err.Error(), "K_PASSWORD: password: the secret cannot be read: ") || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

type keeperOfLists struct {
	Main struct {
		Hooks []struct {
			Key     string            `yaml:"key" secret:"true" doc:"Key."`
			URL     string            `yaml:"url" secret:"url" doc:"Address."`
			Place   string            `yaml:"place" secret:"place" doc:"Where."`
			Headers map[string]string `yaml:"headers" secret:"true" doc:"Headers."`
		} `yaml:"hooks" doc:"Hooks."`
	} `file:"keeper"`
}

// Secrets of elements of lists are those of settings: named by their place, hidden wherever they turn up, and a fault with its line when they
// cannot be read.
func TestSecretsInLists(t *testing.T) {
	at := "file:" + filepath.Join(folder(t, map[string]string{"key": "hunter2\n"}), "key")
	var k keeperOfLists
	tree, err := Load(&k, Options{
		Dir:     folder(t, map[string]string{"keeper.yaml": "hooks:\n- key: " + at + "\n  url: env:HOOK\n  place: " + at + "\n  headers: {X-Key: env:HEADER, X-Plain: plain}\n- key: short\n"}),
		EnvFile: filepath.Join(folder(t, map[string]string{"env": "HEADER=hunter4"}), "env"), Environ: []string{"HOOK=https://u:hunter3@h/"},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := k.Main.Hooks[0]
	if h.Key != "hunter2" || h.URL != "https://u:hunter3@h/" || h.Place != at || h.Headers["X-Key"] != "hunter4" || h.Headers["X-Plain"] != "plain" || k.Main.Hooks[1].Key != "short" {
		t.Errorf("%+v", k.Main.Hooks)
	}
	var shown bytes.Buffer
	if err := tree.WriteJSON(&shown); err != nil {
		t.Fatal(err)
	}
	if s := shown.String(); strings.Contains(s, "hunter") || strings.Contains(s, "plain") || !strings.Contains(s, "https://u:***@h/") {
		t.Errorf("shown: %s", s)
	}
	if got := tree.Conceal("hunter2 and hunter4 are wrong"); got != "*** and *** are wrong" {
		t.Errorf("concealed: %s", got)
	}
	for item, says := range map[string]string{
		"key: env:NOBODY_SET_THIS":           "keeper.yaml:2:8: hooks[0].key: the secret cannot be read: the environment has no NOBODY_SET_THIS",
		"headers: {X: 'file:/no/such/file'}": "hooks[0].headers: the secret cannot be read: X: ",
	} {
		var k keeperOfLists
		if _, err := Load(&k, Options{Dir: folder(t, map[string]string{"keeper.yaml": "hooks:\n- " + item + "\n"})}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", item, err, says)
		}
	}
}
