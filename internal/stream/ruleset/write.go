package ruleset

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// getRule answers with a rule as it can be put.
func (a *API) getRule(w http.ResponseWriter, r *http.Request) {
	form := preferred(r.Header.Values("Accept"))
	if form == none {
		httpx.Problem(w, r, http.StatusNotAcceptable, "a rule can be had as application/json or application/yaml")
		return
	}
	if bad := oneOf(r, "origin", Origins); bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	found, detail := a.Set.layer(r.PathValue("name"), Origin(r.URL.Query().Get("origin")))
	if found == nil {
		httpx.Problem(w, r, http.StatusNotFound, detail)
		return
	}
	show(w, r, http.StatusOK, found, form)
}

// layer finds the rule of a name in a layer, or the one that counts. Without one it says why.
func (s *Set) layer(name string, origin Origin) (*layered, string) {
	e := s.find(name)
	switch {
	case e == nil:
		return nil, fmt.Sprintf("there is no rule %.80q", name)
	case origin == "" && e.enabled, origin != "" && e.origin == origin:
		return e.layered, ""
	case e.below != nil && e.below.origin == origin:
		return e.below, ""
	case origin == "":
		return nil, fmt.Sprintf("the rule %q of the %s is switched off; put what GET /rules/%s?origin=%s has to bring it back", name, e.origin, name, e.origin)
	}
	return nil, fmt.Sprintf("there is no rule %q of the layer %s", name, origin)
}

// show writes a rule in a form, or 304 for who has it already.
func show(w http.ResponseWriter, r *http.Request, status int, l *layered, form string) {
	h := w.Header()
	h.Set("ETag", tag(l.etag, form))
	h.Set("Vary", "Accept")
	if status == http.StatusOK && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		for _, t := range tags(r.Header.Values("If-None-Match")) {
			if t == "*" || t == tag(l.etag, form) || t == "W/"+tag(l.etag, form) {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
	}
	if form == typeJSON {
		httpx.JSON(w, status, json.RawMessage(l.text))
		return
	}
	h.Set("Content-Type", typeYAML)
	w.WriteHeader(status)
	_, _ = w.Write(l.rule.YAML()) // the client is gone: nobody to tell
}

// maxBody is more than a rule may have in JSON, because a rule in YAML may have comments.
const maxBody = 1 << 20

// text reads a body of rules; it answers itself when there is none.
func text(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	if t := r.Header.Get("Content-Type"); form(t) == none {
		httpx.Problem(w, r, http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Type %.80q is not supported; use application/json or application/yaml", t))
		return nil, false
	}
	body, bad := httpx.ReadBody(w, r, maxBody)
	if bad != nil {
		bad.Answer(w, r)
	}
	return body, bad == nil
}

// putRule sets a rule, or takes back what was said of it when the layers below say the same.
func (a *API) putRule(w http.ResponseWriter, r *http.Request) {
	form := preferred(r.Header.Values("Accept"))
	if form == none {
		httpx.Problem(w, r, http.StatusNotAcceptable, "a rule can be had as application/json or application/yaml")
		return
	}
	body, ok := text(w, r)
	if !ok {
		return
	}
	name := r.PathValue("name")
	x, faults := rule.DecodeOne(body, name)
	if len(faults) == 0 && a.Vet != nil {
		faults = a.Vet(x)
	}
	if len(faults) > 0 {
		refuse(w, r, faults)
		return
	}
	x.Line = 0
	put := newLayered(x, FromAPI, "")
	if len(put.text) > maxText {
		httpx.Problem(w, r, http.StatusRequestEntityTooLarge, fmt.Sprintf("the rule has %d bytes as JSON; at most %d are taken", len(put.text), maxText))
		return
	}
	if !a.passes(w, r, x) {
		return
	}
	c := command{Op: opPut, Rule: put.text}
	if below := a.Set.under(name); below != nil && below.etag == put.etag {
		c = command{Op: opRestore}
	}
	there, ok := a.command(w, r, name, c)
	switch {
	case !ok:
	case there:
		show(w, r, http.StatusOK, put, form)
	default:
		w.Header().Set("Location", "/rules/"+url.PathEscape(name))
		show(w, r, http.StatusCreated, put, form)
	}
}

// under is the rule of a name below the API's layer, nil for none.
func (s *Set) under(name string) *layered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.below[name]
}

// passes runs the tests of a rule that is to be put; it answers itself when one fails.
func (a *API) passes(w http.ResponseWriter, r *http.Request, x *rule.Rule) bool {
	ctx, cancel := context.WithTimeoutCause(r.Context(), testLimit, errSlow)
	defer cancel()
	results, err := rule.Check(ctx, x)
	if err != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, err.Error(), httpx.FieldError{Pointer: "/tests", Code: "slow", Detail: err.Error()})
		return false
	}
	var bad []httpx.FieldError
	for i, result := range results {
		for _, failed := range result.Failed {
			bad = append(bad, httpx.FieldError{Pointer: fmt.Sprintf("/tests/%d", i), Code: "test_failed", Detail: fmt.Sprintf("test %q: %s", result.Test, failed)})
		}
	}
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the rule fails its own tests: "+bad[0].Detail, bad...)
		return false
	}
	return true
}

// testLimit is how long the tests of rules may take.
const testLimit = 20 * time.Second

var errSlow = fmt.Errorf("the tests took more than %s; make them shorter", testLimit)

// refuse tells what is wrong with rules.
func refuse(w http.ResponseWriter, r *http.Request, faults []rule.Fault) {
	errs := make([]httpx.FieldError, len(faults))
	for i, f := range faults {
		errs[i] = httpx.FieldError{Pointer: f.Pointer, Code: "rule", Detail: f.Detail, Line: f.Line}
	}
	httpx.Problem(w, r, http.StatusUnprocessableEntity, faults[0].Error(), errs...)
}

// deleteRule takes a rule away. Over a rule of the pack or of a file a tombstone stays.
func (a *API) deleteRule(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if e := a.Set.find(name); e == nil || !e.enabled {
		_, detail := a.Set.layer(name, "")
		httpx.Problem(w, r, http.StatusNotFound, detail)
		return
	}
	if _, ok := a.command(w, r, name, command{Op: opDelete}); ok {
		w.WriteHeader(http.StatusNoContent)
	}
}

// shownIn is a rule as the audit shows it, nil for none.
func shownIn(e *entry) any {
	if e == nil || !e.enabled {
		return nil
	}
	return json.RawMessage(e.text)
}

// command tells all instances of a change and waits until it holds here; there tells whether the rule counted before. It answers
// itself when the change is not made.
func (a *API) command(w http.ResponseWriter, r *http.Request, name string, c command) (there, ok bool) {
	ctx, cancel := context.WithTimeout(r.Context(), a.Timeout)
	defer cancel()
	if err := a.Commands.Settled(ctx); err != nil {
		a.unavailable(w, r, err)
		return false, false
	}
	e, revision := a.Set.revision(name)
	if there = e != nil && e.enabled; !there {
		e = nil
	}
	if want := conditionsOf(r); want.any() {
		if !want.hold(e) {
			httpx.Problem(w, r, http.StatusPreconditionFailed, changed(name, e))
			return there, false
		}
		c.If = &revision
	}
	c.ID, c.At = rand.Text(), time.Now().UTC().Truncate(time.Microsecond)
	value, err := json.Marshal(c)
	if err != nil {
		httpx.Problem(w, r, http.StatusInternalServerError, err.Error())
		return there, false
	}
	offset, err := a.Commands.Append(ctx, Prefix+name, value)
	if err == nil {
		err = a.Commands.WaitFor(ctx, offset)
	}
	if err != nil {
		a.unavailable(w, r, err)
		return there, false
	}
	switch a.Set.outcome(c.ID) {
	case applied:
		httpx.Changed(r.Context(), shownIn(e), shownIn(a.Set.find(name)))
		a.Log.Info("rule changed", "rule", name, "op", c.Op)
		a.await(r.Context(), name)
		return there, true
	case stale:
		httpx.Problem(w, r, http.StatusPreconditionFailed, changed(name, a.Set.find(name)))
	case full:
		httpx.Problem(w, r, http.StatusConflict, fmt.Sprintf("there are %d rules of the API already, more are not taken; delete one, or write it into a file of the configuration", maxPut))
	default:
		httpx.Problem(w, r, http.StatusInternalServerError, "the change was written and not applied; the log has the reason")
	}
	return there, false
}

// runPatience is how long the answer to a change waits for the rules to be run. They count in any case.
const runPatience = 5 * time.Second

// await lets who changed a rule hear of it when it is run: what is sent behind the answer is looked at by it.
func (a *API) await(ctx context.Context, name string) {
	patience, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	if err := a.Runner.AwaitRules(patience); err != nil && ctx.Err() == nil { // else nobody is there to hear it
		a.Log.Warn("a change of rules is made and not run yet", "rule", name, "reason", err)
	}
}

// changed says what there is instead of what a condition named.
func changed(name string, e *entry) string {
	if e == nil || !e.enabled {
		return fmt.Sprintf("there is no rule %.80q now", name)
	}
	return fmt.Sprintf("the rule %q is another one now, its ETag is %s; get it again", name, quoted(e.etag))
}

func (a *API) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	a.Log.Warn("a change of rules could not be written", "path", r.URL.Path, "error", err)
	httpx.Unavailable(w, r, http.StatusServiceUnavailable, 2*time.Second, "the change could not be written now; it may still take effect, so look before you send it again")
}
