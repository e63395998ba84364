package airflow

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

func TestTheVaultIsPrivateAndStays(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "airflow")
	v, err := OpenVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{passwordsFile, secretFile, usersFile} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", name, info.Mode().Perm())
		}
	}
	first, err := os.ReadFile(v.PasswordsPath())
	if err != nil {
		t.Fatal(err)
	}
	var passwords map[string]string
	if err := json.Unmarshal(first, &passwords); err != nil || len(passwords["admin"]) < 20 {
		t.Fatalf("%s: %v", first, err)
	}
	again, err := OpenVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify(again.secret, v.Token(User{Name: "admin"}, "cli", noon, time.Hour), noon); err != nil {
		t.Errorf("a token of before a restart: %v", err)
	}
	if second, err := os.ReadFile(v.PasswordsPath()); err != nil || string(second) != string(first) {
		t.Errorf("the password changed over a restart")
	}
}

func TestLogin(t *testing.T) {
	r := newRig(t)
	r.token = ""
	passwords, err := r.api.vault.passwords()
	if err != nil {
		t.Fatal(err)
	}
	right := object{"username": "admin", "password": passwords["admin"]}
	for _, path := range []string{"!/auth/token", "!/auth/token/cli"} {
		got := r.send("POST", path, right)
		if got.status != 201 {
			t.Fatalf("%s: %d %s", path, got.status, got.body)
		}
		token, ok := got.json(t)["access_token"].(string)
		if !ok {
			t.Fatalf("%s: %s", path, got.body)
		}
		r.want(200, "GET", "/dags", nil, "Authorization", "Bearer "+token)
	}
	for _, c := range []struct {
		status int
		body   any
	}{
		{401, object{"username": "admin", "password": passwords["admin"] + "x"}}, {401, object{"username": "admin", "password": ""}}, {401, object{"username": "nobody", "password": ""}},
		{401, object{"username": "", "password": ""}}, {422, object{"username": "admin"}}, {422, object{"username": "admin", "password": 7}},
	} {
		if got := r.send("POST", "!/auth/token", c.body); got.status != c.status {
			t.Errorf("%v: %d, want %d", c.body, got.status, c.status)
		}
	}
	r.want(403, "GET", "!/auth/token", nil)
}

func TestGuessesAreSlowedDown(t *testing.T) {
	r := newRig(t)
	passwords, err := r.api.vault.passwords()
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := object{"username": "admin", "password": passwords["admin"]}, object{"username": "admin", "password": "guess"}
	for range 3 * guessBurst {
		r.want(201, "POST", "!/auth/token", right) // right ones cost nothing
	}
	for range guessBurst {
		r.want(401, "POST", "!/auth/token", wrong)
	}
	got := r.send("POST", "!/auth/token", right)
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "6" {
		t.Fatalf("after %d guesses: %d, Retry-After %q", guessBurst, got.status, got.header.Get("Retry-After"))
	}
	r.now = r.now.Add(guessPause)
	r.want(201, "POST", "!/auth/token", right)
	r.want(401, "POST", "!/auth/token", wrong)
	r.want(429, "POST", "!/auth/token", wrong)
}

func TestManyGuessersTakeBoundedMemory(t *testing.T) {
	var g guesses
	for i := range 3 * maxGuessers {
		g.take("10."+string(rune('0'+i%10))+"."+time.Duration(i).String()+":1", noon)
	}
	if len(g.owed) > maxGuessers+1 {
		t.Errorf("%d addresses are remembered", len(g.owed))
	}
}

func TestTokensThatAreNotOurs(t *testing.T) {
	r := newRig(t)
	good := r.token
	head, rest, _ := strings.Cut(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	for name, token := range map[string]string{
		"none": "", "word": "abc", "two parts": head + "." + strings.Split(rest, ".")[0], "other head": none + "." + rest, "no seal": none + "." + strings.Split(rest, ".")[0] + ".",
		"changed": head + "." + "x" + rest, "other secret": sign([]byte("another secret that is long enough"), claims{Subject: "admin", Role: "Admin", Expires: noon.Add(time.Hour).Unix(), Audience: audience}),
		"other audience": sign(r.api.vault.secret, claims{Subject: "admin", Expires: noon.Add(time.Hour).Unix(), Audience: "else"}),
		"not yet":        sign(r.api.vault.secret, claims{Subject: "admin", NotYet: noon.Unix() + 60, Expires: noon.Add(time.Hour).Unix(), Audience: audience}),
	} {
		got := r.send("GET", "/dags", nil, "Authorization", "Bearer "+token)
		if got.status != 401 || got.header.Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	r.now = noon.Add(24 * time.Hour)
	if o := r.want(401, "GET", "/dags", nil); o["detail"] != "Token Expired" {
		t.Errorf("%v", o)
	}
	r.token = ""
	if o := r.want(401, "GET", "/dags", nil); o["detail"] != "Not authenticated" {
		t.Errorf("%v", o)
	}
	r.want(200, "GET", "/monitor/health", nil) // open, and so is
	r.want(200, "GET", "/version", nil)
}

func TestAViewerOnlyReads(t *testing.T) {
	r := newRig(t)
	if err := r.api.vault.AddUser(User{Name: "eve", Role: "viewer"}, "secret of eve"); err != nil {
		t.Fatal(err)
	}
	got := r.send("POST", "!/auth/token", object{"username": "eve", "password": "secret of eve"})
	r.token = got.json(t)["access_token"].(string)
	r.want(200, "GET", "/dags", nil)
	r.want(403, "PATCH", "/dags/hxp_daily_aggregation", object{"is_paused": true})
	if r.sched.dag("hxp_daily_aggregation").Paused {
		t.Error("a viewer paused a DAG")
	}
	// Questions whose filters stand in a body change nothing.
	r.want(200, "POST", "/dags/~/dagRuns/list", object{})
	r.want(200, "POST", "/dags/~/dagRuns/~/taskInstances/list", object{})
	plan := object{"dag_id": "hxp_daily_aggregation", "from_date": "2026-01-01T00:00:00Z", "to_date": "2026-01-02T00:00:00Z"}
	r.want(200, "POST", "/backfills/dry_run", plan)
	r.want(403, "POST", "/backfills", plan)
	r.want(403, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"logical_date": nil})
	r.want(403, "POST", "/dags/hxp_daily_aggregation/clearTaskInstances", object{})
}

// What changes something is told with who did it; questions and logins are not told.
func TestChangesHaveANameInTheAudit(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Token = func(*http.Request) (User, error) { return User{Name: "gateway (abc)", Role: "Admin"}, nil }
	})
	var told []string
	r.mux.Watch(func(_ *http.Request, c httpx.Change) { told = append(told, c.Route+" by "+c.Who) })
	passwords, err := r.api.vault.passwords()
	if err != nil {
		t.Fatal(err)
	}
	pause := object{"is_paused": true}
	r.want(200, "PATCH", "/dags/hxp_daily_aggregation", pause)
	r.want(200, "POST", "/dags/~/dagRuns/list", object{})
	r.want(201, "POST", "!/auth/token", object{"username": "admin", "password": passwords["admin"]})
	r.token = "hxp_abc_secret"
	r.want(200, "PATCH", "/dags/hxp_daily_aggregation", pause)
	if want := []string{"PATCH /api/v2/dags/{dag} by user admin of the scheduler", "PATCH /api/v2/dags/{dag} by gateway (abc)"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// A token that is not known is another thing than one that may not.
func TestTokensOfTheInstallationAreRefused(t *testing.T) {
	for status, err := range map[int]error{401: errors.New("not known"), 403: Forbidden("the scheduler knows no tenants")} {
		r := newRig(t, func(c *Config) { c.Token = func(*http.Request) (User, error) { return User{}, err } })
		r.token = "hxp_abc_secret"
		if o := r.want(status, "GET", "/dags", nil); o["detail"] != err.Error() {
			t.Errorf("%d: %v", status, o)
		}
	}
}

// A token ends with what its user was when it was given: another password, another role, no user. Others' tokens go on.
func TestATokenEndsWithItsUser(t *testing.T) {
	r := newRig(t)
	vault := r.api.vault
	admin := r.token
	login := func(role, password string) string {
		t.Helper()
		if err := vault.AddUser(User{Name: "eve", Role: role}, password); err != nil {
			t.Fatal(err)
		}
		got := r.send("POST", "!/auth/token", object{"username": "eve", "password": password})
		if got.status != 201 {
			t.Fatal(got.status, string(got.body))
		}
		return got.json(t)["access_token"].(string)
	}
	use := func(token string, want int) {
		t.Helper()
		r.token = token
		r.want(want, "GET", "/dags", nil)
		r.token = admin
		r.want(200, "GET", "/dags", nil)
	}
	first := login("User", "one password")
	use(first, 200)
	second := login("User", "another password")
	use(first, 401)
	use(second, 200)
	third := login("Viewer", "another password")
	use(second, 401)
	use(third, 200)
	passwords, err := vault.passwords()
	if err != nil {
		t.Fatal(err)
	}
	delete(passwords, "eve") // as an operator takes the line out
	if err := vault.writeJSON(passwordsFile, passwords); err != nil {
		t.Fatal(err)
	}
	use(third, 401)
	// Who holds the key needs no login; a page without one counts only where none is needed.
	use(vault.Token(User{Name: "root", Role: "Admin"}, "cli", noon, time.Hour), 200)
	use(vault.Token(User{Name: "admin", Role: "Admin"}, "rest_api", noon, time.Hour), 401)
	page := vault.Token(User{Name: "local", Role: "Admin"}, "ui", noon, time.Hour)
	use(page, 200)
	r.api.cfg.Open = false
	use(page, 401)
}

func TestThePageLogsIn(t *testing.T) {
	cookieOf := func(r *rig, got reply) string {
		t.Helper()
		res := http.Response{Header: got.header}
		if len(res.Cookies()) != 1 {
			t.Fatalf("%d: no cookie; %s", got.status, got.body)
		}
		c := res.Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Name != "hxp_session_8080" {
			t.Errorf("cookie %+v", c)
		}
		return c.Name + "=" + c.Value
	}
	t.Run("without a password on this machine", func(t *testing.T) {
		r := newRig(t)
		r.token = ""
		r.want(401, "GET", "/dags", nil)
		cookie := cookieOf(r, r.send("POST", "!/ui/session", nil))
		r.want(200, "GET", "/dags", nil, "Cookie", cookie)
		o := r.want(200, "POST", "/dags/hxp_daily_aggregation/dagRuns", object{"logical_date": nil}, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
		if o["triggered_by"] != "ui" || o["triggering_user_name"] != "local" {
			t.Errorf("%v", o)
		}
		for _, h := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "http://evil.example"}} {
			if got := r.send("PATCH", "/dags/hxp_daily_aggregation", object{"is_paused": true}, "Cookie", cookie, h[0], h[1]); got.status != 403 {
				t.Errorf("a write with %v: %d", h, got.status)
			}
		}
		if r.sched.dag("hxp_daily_aggregation").Paused {
			t.Error("a foreign page paused a DAG")
		}
	})
	t.Run("with a password", func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Open = false })
		r.token = ""
		if o := r.want(200, "GET", "!/ui/session", nil); o["login"] != true || o["user"] != nil {
			t.Errorf("%v", o)
		}
		passwords, err := r.api.vault.passwords()
		if err != nil {
			t.Fatal(err)
		}
		r.want(401, "POST", "!/ui/session", object{"username": "admin", "password": "x"})
		cookie := cookieOf(r, r.send("POST", "!/ui/session", object{"username": "admin", "password": passwords["admin"]}))
		if o := r.want(200, "GET", "!/ui/session", nil, "Cookie", cookie); o["user"] != "admin" {
			t.Errorf("%v", o)
		}
		r.want(200, "GET", "!/ui/overview", nil, "Cookie", cookie)
		if got := r.send("DELETE", "!/ui/session", nil); got.status != 204 || !strings.Contains(got.header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("logout: %d %q", got.status, got.header.Get("Set-Cookie"))
		}
	})
}

// Who is made, changed and removed beside a running scheduler is told, also when only the password is another one.
func TestUsersAreFollowed(t *testing.T) {
	vault, err := OpenVault(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var told []string
		var ended sync.WaitGroup
		ended.Go(func() {
			if err := vault.Follow(ctx, func(list []UserChange) {
				for _, c := range list {
					name, before, after := "", "none", "none"
					if c.Before != nil {
						name, before = c.Before.Name, c.Before.Role
					}
					if c.After != nil {
						name, after = c.After.Name, c.After.Role
					}
					told = append(told, fmt.Sprintf("%s %s: %s, %s", c.What, name, before, after))
				}
			}); err != nil {
				t.Error(err)
			}
		})
		for _, does := range []func() error{
			func() error { return nil },
			func() error { return vault.AddUser(User{Name: "eve", Role: "Viewer"}, "one") },
			func() error { return vault.AddUser(User{Name: "eve", Role: "Viewer"}, "two") },
			func() error { return vault.AddUser(User{Name: "eve", Role: "Admin"}, "two") },
			func() error { return os.WriteFile(vault.PasswordsPath(), []byte("{"), 0o600) },
			func() error { return os.WriteFile(vault.PasswordsPath(), []byte(`{"zoe":"x"}`), 0o600) },
		} {
			if err := does(); err != nil {
				t.Error(err)
			}
			time.Sleep(followEvery + time.Second)
		}
		stop()
		ended.Wait()
		if want := []string{"created eve: none, Viewer", "changed eve: Viewer, Viewer", "changed eve: Viewer, Admin", "removed admin: Admin, none", "removed eve: Admin, none", "created zoe: none, Admin"}; !slices.Equal(told, want) {
			t.Errorf("told %q\nwant %q", told, want)
		}
	})
}

// TestSessionsOfTheInstallation: a browser that is logged in elsewhere in the installation is so here, also beside a cookie of the scheduler that no
// longer counts, and the page takes a token where it takes a password.
func TestSessionsOfTheInstallation(t *testing.T) {
	out := false
	r := newRig(t, func(c *Config) {
		c.Open = false
		c.Token = func(r *http.Request) (User, error) {
			if k, err := r.Cookie("hxp_session"); err == nil && k.Value == "good" {
				return User{Name: "ann (abc)", Role: "Viewer"}, nil
			}
			return User{}, errors.New("say who you are")
		}
		c.LogIn = func(w http.ResponseWriter, _ *http.Request, token string) (User, error) {
			if token != "hxp_abc_right" {
				return User{}, errors.New("not known")
			}
			http.SetCookie(w, &http.Cookie{Name: "hxp_session", Value: "good"})
			return User{Name: "ann (abc)", Role: "Viewer"}, nil
		}
		c.LogOut = func(http.ResponseWriter, *http.Request) { out = true }
	})
	r.token = ""
	for cookies, want := range map[string]int{
		"": 401, "hxp_session=good": 200, "hxp_session=bad": 401, "hxp_session_0=junk; hxp_session=good": 200, "hxp_session_0=junk": 401,
	} {
		r.want(want, "GET", "/dags", nil, "Cookie", cookies)
	}
	r.want(403, "PATCH", "/dags/hxp_daily_aggregation", object{"is_paused": true}, "Cookie", "hxp_session=good")
	if o := r.want(200, "GET", "!/ui/session", nil, "Cookie", "hxp_session=good"); o["user"] != "ann (abc)" {
		t.Errorf("the page sees %v", o)
	}
	got := r.send("POST", "!/ui/session", object{"username": "any", "password": "hxp_abc_right"})
	if got.status != 200 || !strings.HasPrefix(got.header.Get("Set-Cookie"), "hxp_session=good") {
		t.Errorf("a token as the password: %d, %v", got.status, got.header)
	}
	r.want(401, "POST", "!/ui/session", object{"username": "any", "password": "hxp_abc_wrong"})
	r.want(204, "DELETE", "!/ui/session", nil)
	if !out {
		t.Error("the logout leaves the session of the installation")
	}
}
