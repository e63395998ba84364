package broker

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func usersFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// find is the password of a user as it is now.
func find(u *users, name string) (string, bool) {
	if c := u.credential(name); c != nil && !c.unread {
		return c.password, true
	}
	return "", false
}

func TestUsers(t *testing.T) {
	t.Setenv("USER_TEST_PASSWORD", "from the environment")
	secret := usersFile(t, "from a file\n")
	path := usersFile(t, "# who may come\n\nann:plain:with:colons\r\nbob:env:USER_TEST_PASSWORD\ncyd:file:"+secret+"\n")
	var log bytes.Buffer
	u, err := newUsers(Config{UsersFile: path, Own: func() (string, string, error) { return "hxp", "own", nil }}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	check := func(want map[string]string) {
		t.Helper()
		for name, password := range want {
			if got, ok := find(u, name); got != password || ok != (password != "") {
				t.Errorf("%s: %q, %v; want %q", name, got, ok, password)
			}
		}
	}
	check(map[string]string{"ann": "plain:with:colons", "bob": "from the environment", "cyd": "from a file", "hxp": "own", "dan": "", "": ""})

	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		later := time.Now().Add(time.Duration(len(text)) * time.Hour) // not when the file was written before
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
	}
	change("dan:new\n")
	check(map[string]string{"ann": "", "dan": "new", "hxp": "own"})
	change("no colon here\n")
	check(map[string]string{"dan": "new"})
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "users:1: there is no colon") {
		t.Errorf("log: %s", &log)
	}
}

// TestUsersAreReadOnceTheyCanBe: what kept the file from being read need not show in its time and size.
func TestUsersAreReadOnceTheyCanBe(t *testing.T) {
	path := usersFile(t, "ann:x\n")
	u, err := newUsers(Config{UsersFile: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	after := func(d time.Duration, want string) {
		t.Helper()
		now = now.Add(d)
		u.refresh(now)
		if got := u.listed["ann"]; got != want {
			t.Errorf("the password is %q, want %q", got, want)
		}
	}
	if err := errors.Join(os.WriteFile(path, []byte("ann:longer\n"), 0o600), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	after(0, "x")
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	after(tryAgain/2, "x")
	after(tryAgain, "longer")
}

// TestSaltsTellNothing: a name has one salt, be it that of a user or not, also when the file is read again.
func TestSaltsTellNothing(t *testing.T) {
	path := usersFile(t, "ann:x\n")
	u, err := newUsers(Config{UsersFile: path}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	salt := func(name string) string {
		t.Helper()
		l := login{users: u, mechanism: "SCRAM-SHA-256"}
		answer, err := l.say("n,,n=" + name + ",r=x")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(answer, ",")[1]
	}
	ann, bob := salt("ann"), salt("bob")
	if ann == bob {
		t.Errorf("two names have the salt %s", ann)
	}
	if err := os.WriteFile(path, []byte("bob:another\ncyd:third\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if salt("ann") != ann || salt("bob") != bob {
		t.Error("whoever came or went has another salt")
	}
}

// TestTheFirstAnswerTellsNothingByItsTime: it waits as long for a name that is nobody's as for one whose password must be salted.
func TestTheFirstAnswerTellsNothingByItsTime(t *testing.T) {
	u, err := newUsers(Config{UsersFile: usersFile(t, "ann:x\n")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ann", "nobody"} {
		say := kmsg.NewPtrSASLAuthenticateRequest()
		say.Version, say.SASLAuthBytes = 1, []byte("n,,n="+name+",r=x")
		frame := kmsg.NewRequestFormatter().AppendRequest(nil, say, 1)
		l, began := login{users: u, mechanism: "SCRAM-SHA-256"}, time.Now()
		v, err := l.judge(head{length: len(frame) - 4, key: say.Key(), version: 1}, frame)
		if err != nil || v.last != nil || v.after.Before(began.Add(firstPause)) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// TestALoginHasAnEnd: who does not log in gives his place up, who has keeps it.
func TestALoginHasAnEnd(t *testing.T) {
	now := time.Now()
	l := login{until: now}
	for _, c := range []struct {
		key  kmsg.Key
		at   time.Duration
		done bool
		ok   bool
	}{
		{kmsg.ApiVersions, 0, false, true}, {kmsg.ApiVersions, 1, false, false}, {kmsg.SASLAuthenticate, 1, false, false}, {kmsg.Metadata, 0, false, false},
		{kmsg.ApiVersions, 1, true, true}, {kmsg.Metadata, 1, true, true},
	} {
		l.done = c.done
		if err := l.may(head{key: c.key.Int16()}, now.Add(c.at)); (err == nil) != c.ok {
			t.Errorf("%s %d ns after the end, logged in %v: %v", c.key.Name(), c.at, c.done, err)
		}
	}
}

func TestUsersFilesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no colon":                {"ann", ":1: there is no colon"},
		"no name":                 {"x:y\n:secret-word", ":2: the name of a user"},
		"blanks in a name":        {"a b:secret-word", ":1: the name of a user"},
		"a long name":             {strings.Repeat("a", maxUserName+1) + ":secret-word", "the name of a user"},
		"no UTF-8":                {"\xff:secret-word", "the name of a user"},
		"no password":             {"ann:", "ann has no password"},
		"twice":                   {"ann:secret-word\nann:secret-word", ":2: the user ann is there twice"},
		"many":                    {manyUsers(), "more than 1000 users"},
		"an empty variable":       {"ann:env:USER_TEST_NOT_THERE", "the environment has no USER_TEST_NOT_THERE"},
		"a file that is not here": {"ann:file:/no/such/file", "/no/such/file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newUsers(Config{UsersFile: usersFile(t, c.text)}, slog.New(slog.DiscardHandler))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(err.Error(), "secret-word") {
				t.Errorf("the error tells a password: %v", err)
			}
		})
	}
	open := usersFile(t, "ann:x")
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := newUsers(Config{UsersFile: open}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others may read: %v", err)
	}
}

func manyUsers() string {
	var b strings.Builder
	for i := range maxUsers + 1 {
		b.WriteString("u" + strings.Repeat("x", i%200) + string(rune('a'+i/200)) + ":p\n")
	}
	return b.String()
}

func FuzzReadUsers(f *testing.F) {
	f.Add("ann:secret\n# x\n\nbob:env:HOME\r\n")
	f.Add("\xef\xbb\xbfann:x")
	f.Fuzz(func(t *testing.T, text string) {
		listed, _, err := readUsers(usersFile(t, text))
		if err != nil && len(listed) > 0 {
			t.Errorf("half a file is taken: %v", listed)
		}
		for name, password := range listed {
			if name == "" || password == "" || strings.ContainsAny(name, " \t\r\n:") || len(name) > maxUserName {
				t.Errorf("%q: %q", name, password)
			}
		}
	})
}
