package auth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// house is a mux behind a gate, with routes of every kind.
type house struct {
	t    *testing.T
	mux  *httpx.Mux
	gate *Gate
	file File
	keys *Keyring
	reg  *telemetry.Registry
}

func newHouse(t *testing.T, more ...Authenticator) *house {
	h := &house{t: t, file: newFile(t), reg: telemetry.NewRegistry()}
	h.keys = opened(t, h.file, &clock{noon})
	h.gate = NewGate(h.reg, append(more, h.keys)...)
	h.mux = httpx.NewMux(discard, h.reg)
	h.mux.Protect(h.gate)
	tell := func(w http.ResponseWriter, r *http.Request) {
		httpx.JSON(w, http.StatusOK, map[string]string{"who": Who(r.Context()), "tenant": Tenant(r.Context()), "query": r.URL.RawQuery, "id": r.PathValue("id")})
	}
	m := h.mux
	m.HandleFunc("GET /things/{id}", tell)
	m.HandleFunc("POST /things", tell)
	m.HandleFunc("POST /events", tell, httpx.Needs(httpx.Ingest), httpx.KeepsTenantsApart())
	m.HandleFunc("POST /alerts", tell, httpx.Needs(httpx.Ingest, httpx.Admin))
	m.HandleFunc("PUT /switch", tell, httpx.Needs(httpx.Act))
	m.HandleFunc("GET /analytics", tell, httpx.TenantIn("tenant"))
	m.HandleFunc("GET /rows", tell, httpx.TenantIn("value", "dimension=tenant"))
	m.HandleFunc("GET /passed", tell, httpx.JudgedElsewhere())
	m.HandleFunc("GET /door", tell, httpx.Open())
	m.HandleFunc("GET /stream", tell, httpx.Stream())
	m.HandleFunc("POST /rpc", tell, httpx.Needs(httpx.Ingest), httpx.RefusedBy(func(w http.ResponseWriter, _ *http.Request, status int, detail string) {
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(http.StatusOK)
	}))
	httpx.Mount(m, httpx.Service{Name: "test"}, httpx.NewHealth("test", "1"), h.reg)
	return h
}

func (h *house) token(tenant string, scopes ...httpx.Scope) string {
	h.t.Helper()
	_, text, err := h.file.Create("n", Of(scopes...), tenant, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.keys.look()
	return text
}

func (h *house) ask(method, path, token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r)
	return w
}

func (h *house) refused(why Reason) float64 {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.reg.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.SplitSeq(w.Body.String(), "\n") {
		if rest, ok := strings.CutPrefix(line, `hxp_auth_refused_total{reason="`+string(why)+`"} `); ok {
			var n float64
			if err := json.Unmarshal([]byte(rest), &n); err != nil {
				h.t.Fatal(err)
			}
			return n
		}
	}
	h.t.Fatalf("no metric for %q", why)
	return 0
}

func TestNobodyPassesWithoutAToken(t *testing.T) {
	h := newHouse(t)
	for _, path := range []string{"GET /things/1", "HEAD /things/1", "POST /things", "POST /events", "GET /analytics", "GET /passed", "GET /stream", "HEAD /stream", "GET /metrics", "GET /docs", "GET /openapi.json", "GET /nothing", "DELETE /events", "GET /analytics?token=x"} {
		method, at, _ := strings.Cut(path, " ")
		for _, token := range []string{"", "hxp_a_b", "nonsense"} {
			w := h.ask(method, at, token)
			var p httpx.ProblemBody
			if w.Code != http.StatusUnauthorized || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `Bearer realm="hxp"`) || w.Header().Get("Content-Type") != "application/problem+json" {
				t.Errorf("%s with %q: %d %v", path, token, w.Code, w.Header())
			}
			if method != "HEAD" && (json.Unmarshal(w.Body.Bytes(), &p) != nil || p.Detail == "" || strings.Contains(w.Body.String(), "hxp_a_b")) {
				t.Errorf("%s: %s", path, w.Body)
			}
		}
	}
	for _, path := range []string{"/health", "/health/live", "/health/ready", "/door"} {
		if w := h.ask("GET", path, ""); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if h.refused(Missing) == 0 || h.refused(Unknown) == 0 || h.refused(Malformed) == 0 {
		t.Error("refusals are not counted")
	}
}

func TestScopesOfRoutes(t *testing.T) {
	h := newHouse(t)
	needs := map[string][]httpx.Scope{
		"GET /things/1": {httpx.Read, httpx.Admin}, "POST /things": {httpx.Admin}, "POST /events": {httpx.Ingest}, "POST /alerts": {httpx.Ingest, httpx.Admin},
		"PUT /switch": {httpx.Act, httpx.Admin}, "GET /passed": httpx.AllScopes, "GET /metrics": {httpx.Read, httpx.Admin}, "GET /stream": {httpx.Read, httpx.Admin},
	}
	for _, scope := range httpx.AllScopes {
		token := h.token("", scope)
		for path, allowed := range needs {
			method, at, _ := strings.Cut(path, " ")
			want := http.StatusForbidden
			if slices.Contains(allowed, scope) {
				want = http.StatusOK
			}
			w := h.ask(method, at, token)
			if w.Code != want {
				t.Errorf("%s with %s: %d, want %d", path, scope, w.Code, want)
			}
			if w.Code == http.StatusForbidden && (!strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope") || !strings.Contains(w.Body.String(), "needs the scope")) {
				t.Errorf("%s: %v %s", path, w.Header(), w.Body)
			}
		}
		if w := h.ask("GET", "/nothing", token); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", scope, w.Code)
		}
		if w := h.ask("DELETE", "/events", token); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", scope, w.Code)
		}
	}
	if h.refused(NoScope) == 0 {
		t.Error("refusals are not counted")
	}
}

func TestPrincipalTravels(t *testing.T) {
	h := newHouse(t)
	tok, text, err := h.file.Create("gateway", Of(httpx.Ingest), "acme", 0)
	if err != nil {
		t.Fatal(err)
	}
	h.keys.look()
	w := h.ask("POST", "/events", text)
	if want := `"who":"gateway (` + tok.ID + `)"`; !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"tenant":"acme"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestTenants(t *testing.T) {
	h := newHouse(t)
	token := h.token("acme", httpx.Read, httpx.Ingest, httpx.Admin)
	for _, c := range []struct {
		path   string
		status int
		query  string
	}{
		{"GET /analytics", 200, "tenant=acme"},
		{"GET /analytics?window=300&tenant=", 200, "tenant=acme&window=300"},
		{"GET /analytics?tenant=acme", 200, "tenant=acme"},
		{"GET /analytics?tenant=globex", 403, ""},
		{"GET /analytics?tenant=acme&tenant=globex", 403, ""},
		{"GET /analytics?tenant=globex;x=1", 400, ""}, // the mux refuses it; see TestNarrowingLeavesTheRequest
		{"GET /rows?from=a", 200, "dimension=tenant&from=a&value=acme"},
		{"GET /rows?dimension=model", 403, ""},
		{"GET /rows?value=globex", 403, ""},
		{"GET /things/1", 403, ""}, // nobody said that it tells tenants apart
		{"POST /things", 403, ""},
		{"GET /metrics", 403, ""},
		{"GET /docs", 200, ""},
		{"POST /events?x=1", 200, "x=1"},
		{"GET /nothing", 404, ""},
	} {
		method, at, _ := strings.Cut(c.path, " ")
		w := h.ask(method, at, token)
		if w.Code != c.status || c.query != "" && !strings.Contains(w.Body.String(), strings.ReplaceAll(`"query":"`+c.query+`"`, "&", `\u0026`)) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
		if w.Code == 403 && !strings.Contains(w.Body.String(), "bound to the tenant") {
			t.Errorf("%s does not say why: %s", c.path, w.Body)
		}
	}
	if h.refused(NoTenant) == 0 {
		t.Error("refusals are not counted")
	}
}

// The guard changes the request that goes on, not that of who holds it.
func TestNarrowingLeavesTheRequest(t *testing.T) {
	r := httptest.NewRequest("GET", "/analytics?window=60", nil)
	out, detail := narrow(r, &Principal{ID: "x", Tenant: "a&b"}, &httpx.TenantRule{Query: "tenant"})
	if detail != "" || r.URL.RawQuery != "window=60" || out.URL.Query().Get("tenant") != "a&b" {
		t.Errorf("%q %v %v", detail, r.URL, out.URL)
	}
	r.URL.RawQuery = "tenant=globex;x=1" // what net/http does not read is not passed on
	if out, _ := narrow(r, &Principal{ID: "x", Tenant: "acme"}, &httpx.TenantRule{Query: "tenant"}); out.URL.RawQuery != "tenant=acme" {
		t.Errorf("%v", out.URL)
	}
}

func TestRefusalsInTheLanguageOfTheRoute(t *testing.T) {
	h := newHouse(t)
	w := h.ask("POST", "/rpc", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/grpc" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestWelcome(t *testing.T) {
	h := newHouse(t)
	h.gate.Welcome = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/things/1" {
			return false
		}
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return true
	}
	if w := h.ask("GET", "/things/1", ""); w.Code != http.StatusSeeOther || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := h.ask("GET", "/analytics", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("%d", w.Code)
	}
}

func TestVoucher(t *testing.T) {
	c := &clock{noon}
	v := NewVoucher(c.now)
	h := newHouse(t, v)
	header := v.For(&Principal{ID: "s1", Name: "ann", Scopes: Of(httpx.Read), Tenant: "acme"})
	ask := func(header string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", "/analytics", nil)
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.mux.ServeHTTP(w, r)
		return w
	}
	if w := ask(header); w.Code != 200 || !strings.Contains(w.Body.String(), `"who":"ann (s1)"`) || !strings.Contains(w.Body.String(), `"tenant":"acme"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, bad := range []string{NewVoucher(c.now).For(&Principal{ID: "s1", Scopes: Of(httpx.AllScopes...)}), header[:len(header)-1], strings.Replace(header, "hxpv.", "hxpv.A", 1), "Bearer hxpv.", "Bearer hxpv.."} {
		if w := ask(bad); w.Code != http.StatusUnauthorized {
			t.Errorf("%q: %d", bad, w.Code)
		}
	}
	c.at = noon.Add(voucherLife)
	if w := ask(header); w.Code != http.StatusUnauthorized {
		t.Errorf("after %s: %d", voucherLife, w.Code)
	}
	if got := (&Principal{ID: "a", Name: "a"}).String(); got != "a" {
		t.Error(got)
	}
}
