package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// guest is a browser, as far as a server sees one.
type guest struct {
	t       *testing.T
	cookies []*http.Cookie
}

// visit sends a request with the cookies that it has, follows nothing, and returns the answer with the begin of its body.
func (g *guest) visit(method, target string, header map[string]string, form url.Values) (*http.Response, string) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), method, target, strings.NewReader(form.Encode()))
	if err != nil {
		g.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	for _, c := range g.cookies {
		req.AddCookie(c)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	body := make([]byte, 64<<10)
	n := 0
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") && res.StatusCode != http.StatusSwitchingProtocols {
		n, _ = io.ReadFull(res.Body, body)
	}
	for _, c := range res.Cookies() {
		g.cookies = slices.DeleteFunc(g.cookies, func(old *http.Cookie) bool { return old.Name == c.Name })
		if c.MaxAge > 0 {
			g.cookies = append(g.cookies, c)
		}
	}
	return res, string(body[:n])
}

func (g *guest) wants(status int, method, target string, header map[string]string, form url.Values) (*http.Response, string) {
	g.t.Helper()
	res, body := g.visit(method, target, header, form)
	if res.StatusCode != status {
		g.t.Errorf("%s %s: %d, want %d: %.300s", method, target, res.StatusCode, status, body)
	}
	return res, body
}

// TestSessions: who shows a board a token gets in, sees what the token may see, and is out when he leaves or the token goes.
func TestSessions(t *testing.T) {
	h := prepare(t, "127.0.0.1:0")
	h.keys = append(h.keys, "HXP_AUTH_TOKENS_FILE="+filepath.Join(h.dir, "tokens.json"))
	token := func(name, scope string) string {
		out, errs, code := h.cli(t, "auth", "token", "create", "--scope", scope, "--name", name, "--json")
		var made struct{ Token string }
		if err := json.Unmarshal(out, &made); err != nil || code != 0 || made.Token == "" {
			t.Fatalf("auth token create: %d %v %s%s", code, err, out, errs)
		}
		return made.Token
	}
	read, ingest := token("reader", "read"), token("gateway", "ingest")
	h.up(t)
	board, other := h.url("operations"), h.url("system")
	g := &guest{t: t}

	_, page := g.wants(401, "GET", board+"/?model=%22%3E%3Cscript%3E", nil, nil)
	if !strings.Contains(page, `name="token"`) || !strings.Contains(page, `value="/?model=%22%3E%3Cscript%3E"`) || strings.Contains(page, "<script>") {
		t.Errorf("the door: %.1500s", page)
	}
	g.wants(401, "GET", board+"/stream/metrics", nil, nil)
	g.wants(401, "GET", board+"/analytics", nil, nil)
	g.wants(200, "GET", board+"/static/base.css", nil, nil)
	if _, page = g.wants(401, "GET", board+"/notify", map[string]string{"Sec-Fetch-Site": "cross-site"}, nil); !strings.Contains(page, `http-equiv="refresh"`) {
		t.Error("who follows a link of another site is not asked again")
	}

	logIn := func(status int, token, to string, header map[string]string) (*http.Response, string) {
		t.Helper()
		return g.wants(status, "POST", board+"/login", header, url.Values{"token": {token}, "to": {to}})
	}
	for token, why := range map[string]string{"": "no token of hxp", "hxp_abc_def": "not known", ingest: "scope read"} {
		if _, page := logIn(401, token, "/", nil); !strings.Contains(page, why) || len(g.cookies) > 0 {
			t.Errorf("a token that is none: %v %.1500s", g.cookies, page)
		}
	}
	logIn(403, read, "/", map[string]string{"Sec-Fetch-Site": "cross-site"})
	logIn(403, read, "/", map[string]string{"Sec-Fetch-Site": "same-site"}) // another port
	for to, want := range map[string]string{"/notify?x=1": "/notify?x=1", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/", "javascript:alert(1)": "/"} {
		if res, _ := logIn(303, read, to, nil); res.Header.Get("Location") != want {
			t.Errorf("%s leads to %s", to, res.Header.Get("Location"))
		}
	}
	if c := g.cookies; len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || strings.Contains(c[0].Value, read[len(read)-20:]) {
		t.Fatalf("cookies: %v", c)
	}

	if _, page = g.wants(200, "GET", board+"/", nil, nil); !strings.Contains(page, "Log out reader") {
		t.Error("the board does not say who is logged in")
	}
	g.wants(200, "GET", board+"/analytics?window=60", nil, nil)
	g.wants(200, "GET", board+"/stream/metrics", nil, nil)
	g.wants(200, "GET", other+"/", nil, nil) // cookies know no ports
	g.wants(200, "GET", other+"/services/kafka-api/health", nil, nil)
	g.wants(403, "POST", other+"/self-test", nil, nil)
	g.wants(403, "POST", board+"/responses/none/approve", nil, nil)
	g.wants(401, "GET", h.url("event-processing-api")+"/analytics", nil, nil)
	g.wants(401, "GET", h.url("data-streaming-api")+"/stream/metrics", nil, nil)
	pagesAreStrict(t, h, g)

	held := slices.Clone(g.cookies)
	g.wants(303, "POST", board+"/logout", nil, nil)
	g.wants(401, "GET", board+"/", nil, nil)
	g.cookies = held
	g.wants(401, "GET", board+"/", nil, nil)

	g.cookies = nil
	logIn(303, read, "/", nil)
	streams(t, h, read)
	if out, errs, code := h.cli(t, "auth", "token", "revoke", "reader"); code != 0 {
		t.Fatalf("revoke: %s%s", out, errs)
	}
	eventually(t, 20*time.Second, "the session ends with its token", func() bool {
		res, _ := g.visit("GET", board+"/", nil, nil)
		return res.StatusCode == http.StatusUnauthorized
	})
	if log := h.logTail(1 << 20); bytes.Contains(log, []byte(read)) || bytes.Contains(log, []byte(held[0].Value)) {
		t.Error("the log tells a token or a cookie")
	}
}

// streams: a ticket opens one stream, once, also for a page of another origin.
func streams(t *testing.T, h *instance, token string) {
	api := h.url("data-streaming-api")
	res, body, err := call("POST", api+"/streams/tickets", map[string]string{"Authorization": "Bearer " + token}, nil)
	var got struct {
		Ticket  string
		Expires time.Time `json:"expires_at"`
	}
	if err != nil || res.StatusCode != http.StatusCreated || json.Unmarshal(body, &got) != nil || got.Ticket == "" || got.Expires.IsZero() {
		t.Fatalf("POST /streams/tickets: %v %v %s", err, res, body)
	}
	if res, _, err = call("POST", api+"/streams/tickets", nil, nil); err != nil || res.StatusCode != http.StatusUnauthorized {
		t.Errorf("a ticket for nobody: %v %v", err, res)
	}
	page := &guest{t: t}
	header := map[string]string{"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site", "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "hxp.v1+json"}
	page.wants(401, "GET", api+"/streams/status?ticket="+got.Ticket, nil, nil)
	page.wants(101, "GET", api+"/ws?ticket="+got.Ticket, header, nil)
	page.wants(401, "GET", api+"/ws?ticket="+got.Ticket, header, nil)
}

var strictPolicy = regexp.MustCompile(`^default-src '(self|none)'`)

// pagesAreStrict: no page of a running hxp can load from elsewhere, be framed, or run what it did not bring.
func pagesAreStrict(t *testing.T, h *instance, g *guest) {
	bearer := map[string]string{"Authorization": "Bearer nonsense"}
	for name := range listenersWithHealth {
		for _, path := range []string{"/", "/notify", "/docs", "/nothing", "/static/base.css"} {
			for _, header := range []map[string]string{nil, bearer} {
				res, body := g.visit("GET", h.url(name)+path, header, nil)
				csp := res.Header.Get("Content-Security-Policy")
				if !strictPolicy.MatchString(csp) || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "script-src") || strings.Contains(csp, "unsafe") {
					t.Errorf("%s%s (%d): policy %q", name, path, res.StatusCode, csp)
				}
				for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer"} {
					if got := res.Header.Get(header); got != want {
						t.Errorf("%s%s (%d): %s %q", name, path, res.StatusCode, header, got)
					}
				}
				if strings.Contains(body, "<html") && regexp.MustCompile(`(?i)<script[^>]*>[^<]|\son[a-z]+=|javascript:`).MatchString(body) {
					t.Errorf("%s%s has inline script", name, path)
				}
			}
		}
	}
}
