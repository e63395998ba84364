package alert

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/bus/bustest"
	"github.com/hxp-enterprise/hxp/internal/kit/chain/desk"
	"github.com/hxp-enterprise/hxp/internal/kit/clock"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// linked is a service that takes links.
func linked(t *testing.T) (*Service, http.Handler) {
	t.Helper()
	return linkedOn(t, bustest.New(t))
}

func linkedOn(t *testing.T, b *bus.Bus) (*Service, http.Handler) {
	t.Helper()
	t.Setenv("TEST_APPROVAL", strings.Repeat("s", minSecret))
	return servedOn(t, b, func(c *Config) { c.ApprovalSecret, c.ApprovalURL = "env:TEST_APPROVAL", "https://hxp.example:9100/" })
}

// elsewhere are the proposals about an episode as a process tells them that has the log and the settings, and answers no alerts.
func elsewhere(t *testing.T, s *Service, episode string) []Proposal {
	t.Helper()
	links, err := NewLinks(*s.cfg.Load())
	if err != nil {
		t.Fatal(err)
	}
	account := NewAccount()
	if _, err := s.journal.Scan(t.Context(), 0, func(offset int64, value []byte) bool {
		account.Take(&bus.Message{Offset: offset, Value: value})
		account.Take(&bus.Message{Offset: offset, Value: value, Partition: 1}) // that nobody acts upon
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return account.Proposals(links, episode, s.clock.Now())
}

// link is that of the only proposal about a tenant.
func link(t *testing.T, s *Service, episode string) (path string) {
	t.Helper()
	all := elsewhere(t, s, episode)
	if len(all) != 1 || all[0].What != "scale tenant="+episode+" on hook" {
		t.Fatalf("the proposals are %+v", all)
	}
	path, ok := strings.CutPrefix(all[0].Link, "https://hxp.example:9100")
	if !ok {
		t.Fatalf("the link is %s", all[0].Link)
	}
	return path
}

// submit sends what the page sends.
func submit(h http.Handler, path string, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if change != nil {
		change(r)
	}
	h.ServeHTTP(w, r)
	return w
}

func decide(what, by string) url.Values { return url.Values{"decision": {what}, "by": {by}} }

// Whoever follows the link sees what will be done and has changed nothing; a decision counts once, and the log says how it came.
func TestApprovalByLink(t *testing.T) {
	s, h := linked(t)
	var changes []httpx.Change
	h.(*httpx.Mux).Watch(func(_ *http.Request, c httpx.Change) { changes = append(changes, c) })
	id := proposal(t, s, "e1")
	path := link(t, s, "e1")
	for range 3 { // programs that look at mail follow links
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			w := ask(h, method, path, "")
			if w.Code != http.StatusOK || w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Header().Get("Content-Security-Policy"), "default-src 'none'") {
				t.Fatalf("%s: %d, %v", method, w.Code, w.Header())
			}
		}
	}
	page := ask(h, http.MethodGet, path, "").Body.String()
	for _, want := range []string{"scale on hook", "tenant = e1", "rule e1", `<form method="post">`, "nothing takes it back"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q: %s", want, page)
		}
	}
	if x, _ := s.find(id); x.State != string(respond.Proposed) {
		t.Fatalf("after being looked at it is %s", x.State)
	}
	if w := submit(h, path, decide("approve", "An\x1b\nna"), nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "done: the response is approved") {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	for _, verb := range []string{"approve", "dismiss"} {
		if w := submit(h, path, decide(verb, ""), nil); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "used up") {
			t.Errorf("a second time: %d: %s", w.Code, w.Body)
		}
	}
	if w := ask(h, http.MethodGet, path, ""); w.Code != http.StatusConflict || strings.Contains(w.Body.String(), "<form") {
		t.Errorf("the page of a link that is used up: %d", w.Code)
	}
	if got := elsewhere(t, s, "e1"); len(got) != 0 {
		t.Errorf("a proposal that is decided is still one: %v", got)
	}
	var audit desk.Page
	if err := json.Unmarshal(ask(h, http.MethodGet, "/responses/audit", "").Body.Bytes(), &audit); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, rec := range audit.Audit {
		if text := string(rec); strings.Contains(text, `"what":"approved"`) {
			found++
			if !strings.Contains(text, `"who":"Anna from 192.0.2.1 by signed link"`) || !strings.Contains(text, `"reason":"approved by signed link"`) {
				t.Errorf("the log says %s", text)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d approvals in the log", found)
	}
	if len(changes) != 1 || changes[0].Who != "Anna from 192.0.2.1 by signed link" || !strings.Contains(string(changes[0].Before), `"state":"proposed"`) || !strings.Contains(string(changes[0].After), `"state":"approved"`) {
		t.Errorf("changes that are told: %+v", changes)
	}
}

// Of decisions that come at once at several instances one counts, and the others hear so.
func TestOneDecisionOverInstances(t *testing.T) {
	b := bustest.New(t)
	one, h1 := linkedOn(t, b)
	other, h2 := linkedOn(t, b)
	id := proposal(t, one, "e1")
	if err := other.journal.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := link(t, one, "e1")
	var done, late atomic.Int32
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			switch w := submit([]http.Handler{h1, h2}[i%2], path, decide([]string{"approve", "dismiss"}[i/2%2], fmt.Sprint(i)), nil); w.Code {
			case http.StatusOK:
				done.Add(1)
			case http.StatusConflict:
				late.Add(1)
			default:
				t.Errorf("%d: %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if done.Load() != 1 || late.Load() != 19 {
		t.Errorf("%d decisions count, %d came late", done.Load(), late.Load())
	}
	for _, s := range []*Service{one, other} {
		if err := s.journal.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if x, _ := s.find(id); x.State == string(respond.Proposed) {
			t.Errorf("an instance has the response as %s", x.State)
		}
	}
	decisions := 0
	b1 := respond.NewBook(one.cfg.Load().limits())
	if _, err := one.journal.Scan(t.Context(), 0, func(offset int64, value []byte) bool {
		if rec, _ := b1.Apply(offset, value); rec != nil && (rec.What == respond.WhatApproved || rec.What == respond.WhatDismissed) {
			decisions++
		}
		return true
	}); err != nil || decisions != 1 {
		t.Errorf("the log has %d decisions that count, %v", decisions, err)
	}
}

func TestLinksThatDoNotHold(t *testing.T) {
	s, h := linked(t)
	one, two := proposal(t, s, "e1"), proposal(t, s, "e2")
	path := link(t, s, "e1")
	u, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	with := func(id string, change func(url.Values)) string {
		q := u.Query()
		if change != nil {
			change(q)
		}
		return "/responses/" + id + "/decision?" + q.Encode()
	}
	past := time.Now().Add(-time.Second).Unix()
	for name, c := range map[string]struct {
		path string
		want int
	}{
		"of another response": {with(two, nil), http.StatusForbidden},
		"without a signature": {with(one, func(q url.Values) { q.Del("signature") }), http.StatusForbidden},
		"with another end":    {with(one, func(q url.Values) { q.Set("until", q.Get("until")+"0") }), http.StatusForbidden},
		"with a bad end":      {with(one, func(q url.Values) { q.Set("until", "soon") }), http.StatusForbidden},
		"of another key":      {with(one, func(q url.Values) { q.Set("signature", (&Links{key: []byte("x")}).sign(one, 1)) }), http.StatusForbidden},
		"that is over":        {with(one, func(q url.Values) { q.Set("until", fmt.Sprint(past)); q.Set("signature", s.links.sign(one, past)) }), http.StatusGone},
		"of nothing": {with("none", func(q url.Values) {
			q.Set("until", fmt.Sprint(past+3600))
			q.Set("signature", s.links.sign("none", past+3600))
		}), http.StatusNotFound},
	} {
		if w := ask(h, http.MethodGet, c.path, ""); w.Code != c.want {
			t.Errorf("a link %s: %d", name, w.Code)
		}
		if w := submit(h, c.path, decide("approve", ""), nil); w.Code != c.want {
			t.Errorf("a decision by a link %s: %d", name, w.Code)
		}
	}
	for name, c := range map[string]struct {
		form   url.Values
		change func(*http.Request)
		want   int
	}{
		"no decision":       {url.Values{}, nil, http.StatusUnprocessableEntity},
		"a strange one":     {decide("revert", ""), nil, http.StatusUnprocessableEntity},
		"too much":          {decide("approve", strings.Repeat("x", maxForm)), nil, http.StatusBadRequest},
		"from another site": {decide("approve", ""), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
	} {
		if w := submit(h, path, c.form, c.change); w.Code != c.want {
			t.Errorf("%s: %d: %s", name, w.Code, w.Body)
		}
	}
	if err := s.machine.SetSwitch(t.Context(), true, "ops", "night"); err != nil {
		t.Fatal(err)
	}
	if w := submit(h, path, decide("approve", ""), nil); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "kill switch") {
		t.Errorf("under the kill switch: %d: %s", w.Code, w.Body)
	}
	for _, id := range []string{one, two} {
		if x, _ := s.find(id); x.State != string(respond.Proposed) {
			t.Errorf("response %s is %s", id, x.State)
		}
	}
	if w := submit(h, path, decide("dismiss", ""), nil); w.Code != http.StatusOK {
		t.Errorf("a dismissal under the kill switch: %d: %s", w.Code, w.Body)
	}
}

// A link lasts as long as its proposal when the clock is set: here one that was two hours behind comes right.
func TestClockJumpsEndNoLink(t *testing.T) {
	t.Setenv("TEST_APPROVAL", strings.Repeat("s", minSecret))
	var off atomic.Int64
	off.Store(int64(-2 * time.Hour))
	set := &clock.Steady{Says: func() time.Time { return time.Now().Add(time.Duration(off.Load())) }}
	s, h := servedOn(t, bustest.New(t), func(c *Config) { c.ApprovalSecret, c.ApprovalURL = "env:TEST_APPROVAL", "https://hxp.example:9100/" }, func(o *Options) { o.Clock = set })
	proposal(t, s, "e1")
	path := link(t, s, "e1")
	off.Store(0)
	if len(elsewhere(t, s, "e1")) != 1 {
		t.Error("it is proposed no more")
	}
	if w := ask(h, http.MethodGet, path, ""); w.Code != http.StatusOK {
		t.Errorf("the page: %d: %s", w.Code, w.Body)
	}
	if w := submit(h, path, decide("approve", ""), nil); w.Code != http.StatusOK {
		t.Errorf("the decision: %d: %s", w.Code, w.Body)
	}
}

// Texts of an alert are texts on the page, whoever wrote them.
func TestPageOfAHostileAlert(t *testing.T) {
	w := httptest.NewRecorder()
	evil := `"><script>alert(1)</script>`
	showPage(w, http.StatusOK, evil, &Response{State: string(respond.Proposed), Action: evil, Target: evil, Rule: evil, Reason: evil, ID: evil, With: map[string]string{evil: evil}, Key: map[string]string{evil: evil}, RequestIDs: []string{evil}})
	if page := w.Body.String(); strings.Contains(page, "<script") || strings.Count(page, "&lt;script&gt;") < 10 {
		t.Errorf("the page is %s", page)
	}
}

func TestLinksAreOffByDefault(t *testing.T) {
	s, h := served(t)
	id := proposal(t, s, "e1")
	if links, err := NewLinks(*s.cfg.Load()); links != nil || err != nil {
		t.Errorf("links without a secret: %v, %v", links, err)
	}
	if w := ask(h, http.MethodGet, "/responses/"+id+"/decision", ""); w.Code != http.StatusNotFound {
		t.Errorf("the page without a secret: %d", w.Code)
	}
}

func TestLinkSettings(t *testing.T) {
	t.Setenv("TEST_SHORT", "short")
	for _, c := range []Config{
		{ApprovalSecret: "hunter2", ApprovalURL: "https://hxp.example"}, {ApprovalSecret: "env:X"}, {ApprovalSecret: "env:X", ApprovalURL: "hxp.example"}, {ApprovalSecret: "env:X", ApprovalURL: "https://hxp.example?x=1"},
	} {
		if c.Validate() == nil {
			t.Errorf("taken: %+v", c)
		}
	}
	for where, want := range map[string]string{"env:TEST_SHORT": "at least 32", "env:TEST_NOT_THERE": "TEST_NOT_THERE", "file:/nowhere": "nowhere"} {
		if _, err := NewLinks(Config{ApprovalSecret: where}); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "short") && where != "env:TEST_SHORT" {
			t.Errorf("%s: %v", where, err)
		}
	}
}
