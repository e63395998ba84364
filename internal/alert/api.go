package alert

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// Mount adds the questions and commands to event-processing-api.
func (s *Service) Mount(m *httpx.Mux) {
	var states []string
	for _, x := range respond.States {
		states = append(states, string(x))
	}
	wrong, away := httpx.Answer("422", "a parameter is wrong"), httpx.Answer("503", "the audit log cannot be written or read now, see Retry-After")
	m.HandleFunc("GET /responses", s.getResponses, httpx.Doc("Lists what was done about alerts, or is proposed, the newest first."),
		httpx.Query("state", "only these", httpx.OneOf(states...)), httpx.Query("rule", "only of this rule"), httpx.Query("until", "RFC 3339: only what was proposed before this time"), httpx.Paging(),
		httpx.Answer("200", "the responses", responseList{}), wrong)
	m.HandleFunc("GET /responses/{id}", s.getResponse, httpx.Doc("Shows a response."), httpx.Answer("200", "the response", Response{}), httpx.Answer("404", "there is no such response"))
	needs := map[string]httpx.Scope{"approve": httpx.Approve, "dismiss": httpx.Approve, "revert": httpx.Act}
	for verb, doc := range map[string]string{"approve": "Lets a proposal be carried out. The rails are asked again at that moment.", "dismiss": "Ends a proposal.", "revert": "Takes back a change that is in place."} {
		m.HandleFunc("POST /responses/{id}/"+verb, s.command(verb), httpx.Needs(needs[verb]), httpx.Doc(doc), httpx.BodyOf(said(httpx.Schema{})), httpx.NoBodyNeeded(),
			httpx.Answer("200", "done; the response as it is now", Response{}), httpx.Answer("202", "it is being taken back", Response{}), httpx.Answer("400", "the body cannot be read"),
			httpx.Answer("404", "there is no such response"), httpx.Answer("409", "it is not in a state for that, or the kill switch is on"), httpx.Answer("413", "the body is too large"), away)
	}
	m.HandleFunc("POST /responses/{id}/dry-run", s.tryOut, httpx.Needs(httpx.Read), httpx.Doc("Says what would become of a response that waits, were it carried out now: the target is looked at and the rails are asked. Nothing is changed and nothing is recorded."),
		httpx.Answer("200", "what would become of it", Trial{}), httpx.Answer("404", "there is no such response"), httpx.Answer("409", "it waits for nothing any more"))
	s.mountAudit(m, wrong, away)
	m.HandleFunc("GET /responses/kill-switch", s.getSwitch, httpx.Doc("Says whether the kill switch is on, and why."), httpx.Answer("200", "the switch", Switch{}))
	m.HandleFunc("PUT /responses/kill-switch", s.putSwitch, httpx.Needs(httpx.Act), httpx.Doc("Turns the kill switch of all instances on or off. While it is on nothing is changed; what is in place is still taken back."),
		httpx.BodyOf(said(httpx.Schema{"on": httpx.Flag()}, "on")), httpx.Answer("200", "the switch as it is now", Switch{}), httpx.Answer("400", "the body cannot be read"), httpx.Answer("413", "the body is too large"),
		httpx.Answer("422", "on is missing, or is neither true nor false"), away)
	s.mountDecision(m)
}

// said is the schema of a body in which a person may give a reason and a name.
func said(fields httpx.Schema, required ...string) httpx.Schema {
	text := httpx.Schema{"type": []string{"string", "null"}}
	fields["reason"], fields["by"] = text, text
	return httpx.Schema{"type": "object", "properties": fields, "required": append([]string{}, required...)}
}

// Response is a response as GET /responses and hxp responses show it.
type Response struct {
	ID         string            `json:"id"`
	State      string            `json:"state"`
	Phase      *string           `json:"phase"` // applying, verifying, reverting, waiting or stepping, while somebody is at it
	Step       *string           `json:"step"`  // of a change that goes in steps, the last one that was begun
	Rule       string            `json:"rule"`
	Action     string            `json:"action"`
	Target     string            `json:"target"`
	Reason     string            `json:"reason"`
	Rail       *string           `json:"rail"` // that refused it
	ProposedAt time.Time         `json:"proposed_at"`
	ExpiresAt  *time.Time        `json:"expires_at"` // of a proposal, of an approval, or of the lease
	UpdatedAt  time.Time         `json:"updated_at"`
	AppliedAt  *time.Time        `json:"applied_at"`
	InPlace    bool              `json:"in_place"`
	Automatic  bool              `json:"automatic"` // no person approved it
	Alert      string            `json:"alert"`
	Severity   string            `json:"severity"`
	Mode       string            `json:"mode"`
	Key        map[string]string `json:"key"`
	With       map[string]string `json:"with"`
	Endpoint   *string           `json:"endpoint"` // that is out of its group
	Value      *json.Number      `json:"value"`
	Threshold  *json.Number      `json:"threshold"`
	RequestIDs []string          `json:"request_ids"`
	CausedAt   *time.Time        `json:"caused_at"`
	Before     json.RawMessage   `json:"before"` // of the target
	After      json.RawMessage   `json:"after"`
}

type responseList struct {
	Responses []Response `json:"responses"`
	Next      *string    `json:"next_cursor"`
}

// shown copies a response. It is called while the book stands still.
func shown(r *respond.Response) Response {
	o := &r.Order
	out := Response{
		ID: r.ID, State: string(r.State), Phase: orNull(string(r.Phase)), Step: orNull(r.Step), Rule: o.Rule, Action: o.Action, Target: o.Target, Reason: r.Reason, Rail: orNull(string(r.Rail)),
		ProposedAt: r.ProposedAt, UpdatedAt: r.UpdatedAt, AppliedAt: orNull(r.AppliedAt), InPlace: r.InPlace(), Automatic: r.Automatic, Alert: o.Alert, Severity: o.Severity, Mode: o.Mode,
		Key: map[string]string{}, With: map[string]string{}, Endpoint: orNull(r.Takes), Value: orNull(o.Value), Threshold: orNull(o.Threshold),
		RequestIDs: append([]string{}, o.RequestIDs...), CausedAt: orNull(o.CausedAt), Before: r.Before, After: r.After,
	}
	for k, v := range o.Key {
		out.Key[k] = v
	}
	for k, v := range o.With {
		out.With[k] = v
	}
	switch {
	case r.State == respond.Proposed || r.State == respond.Approved:
		out.ExpiresAt = orNull(r.ExpiresAt)
	case r.InPlace():
		out.ExpiresAt = orNull(r.LeaseUntil)
	}
	return out
}

// standing is a response as the audit of changes shows it; everything else is in the audit log of responses.
func (r *Response) standing() any {
	return struct {
		State  string  `json:"state"`
		Phase  *string `json:"phase,omitempty"`
		Action string  `json:"action"`
		Target string  `json:"target"`
		Reason string  `json:"reason"`
	}{r.State, r.Phase, r.Action, r.Target, r.Reason}
}

func orNull[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func (s *Service) getResponses(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, before, bad := paging(q)
	state := respond.State(q.Get("state"))
	if q.Has("state") && !slices.Contains(respond.States, state) {
		bad = append(bad, httpx.FieldError{Pointer: "?state", Code: "invalid", Detail: fmt.Sprintf("state=%q: give one of %v", clip(string(state)), respond.States)})
	}
	until := time.Time{}
	if v := q.Get("until"); v != "" {
		var err error
		if until, err = time.Parse(time.RFC3339, v); err != nil {
			bad = append(bad, httpx.FieldError{Pointer: "?until", Code: "invalid", Detail: fmt.Sprintf("until=%q: give a time as RFC 3339, e.g. 2026-03-01T10:00:00Z", clip(v))})
		}
	}
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	out := responseList{Responses: []Response{}}
	s.machine.Look(func(b *respond.Book) {
		for _, x := range slices.Backward(b.All()) {
			switch {
			case before > 0 && int64(x.Seq) >= before, state != "" && x.State != state, q.Get("rule") != "" && x.Order.Rule != q.Get("rule"),
				!until.IsZero() && !x.ProposedAt.Before(until):
				continue
			case len(out.Responses) == limit:
				out.Next = cursor(before)
				return
			}
			out.Responses = append(out.Responses, shown(x))
			before = int64(x.Seq)
		}
	})
	httpx.JSON(w, http.StatusOK, out)
}

func (s *Service) find(id string) (out Response, ok bool) {
	s.machine.Look(func(b *respond.Book) {
		if r := b.Find(id); r != nil {
			out, ok = shown(r), true
		}
	})
	return out, ok
}

func (s *Service) getResponse(w http.ResponseWriter, r *http.Request) {
	if out, ok := s.find(r.PathValue("id")); ok {
		httpx.JSON(w, http.StatusOK, out)
		return
	}
	unknown(w, r)
}

func unknown(w http.ResponseWriter, r *http.Request) {
	httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no response %q; GET /responses lists them", clip(r.PathValue("id"))))
}

// word is what somebody says to a command.
type word struct {
	Reason string `json:"reason"`
	By     string `json:"by"`
}

// command answers POST /responses/{id}/VERB.
func (s *Service) command(verb string) http.HandlerFunc {
	do := map[string]func(*respond.Machine, *http.Request, string, string, string) error{
		"approve": func(m *respond.Machine, r *http.Request, id, who, why string) error {
			return m.Approve(r.Context(), id, who, why)
		},
		"dismiss": func(m *respond.Machine, r *http.Request, id, who, why string) error {
			return m.Dismiss(r.Context(), id, who, why)
		},
		"revert": func(m *respond.Machine, r *http.Request, id, who, why string) error {
			return m.Revert(r.Context(), id, who, why)
		},
	}[verb]
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		before, ok := s.find(id)
		if !ok {
			unknown(w, r)
			return
		}
		var say word
		if !readBody(w, r, &say, httpx.Optional|httpx.Lenient) {
			return
		}
		if say.Reason == "" {
			say.Reason = map[string]string{"approve": "approved", "dismiss": "dismissed", "revert": "reverted"}[verb] + " over the API"
		}
		if err := do(s.machine, r, id, who(r, say.By), say.Reason); err != nil {
			s.failed(w, r, err)
			return
		}
		out, _ := s.find(id)
		httpx.Changed(r.Context(), before.standing(), out.standing())
		status := http.StatusOK
		if verb == "revert" {
			status = http.StatusAccepted
		}
		httpx.JSON(w, status, out)
	}
}

// who names the one who commands: by his token or, where nobody is asked for one, by what he says of himself, and from where he does.
func who(r *http.Request, by string) string {
	by = strings.Map(func(c rune) rune { // it is shown on terminals
		if unicode.IsControl(c) {
			return -1
		}
		return c
	}, by)
	switch known := auth.Who(r.Context()); {
	case known != "" && by != "":
		by = known + " for " + by
	case known != "":
		by = known
	case by == "":
		by = "somebody"
	}
	return clip(by) + " from " + httpx.From(r)
}

func (s *Service) failed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, respond.ErrUnknown):
		unknown(w, r)
	case errors.Is(err, respond.ErrState), errors.Is(err, respond.ErrSwitch):
		httpx.Problem(w, r, http.StatusConflict, err.Error())
	case r.Context().Err() != nil: // nobody is there to hear it
	default:
		s.log.Warn("the audit log is not to be had", "path", r.URL.Path, "error", err)
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "the audit log is not to be had now, and nothing is done without it; try again")
	}
}

const maxBody = 16 << 10

// readBody reads a JSON object.
func readBody(w http.ResponseWriter, r *http.Request, to any, rule httpx.BodyRule) bool {
	bad := httpx.DecodeBody(w, r, maxBody, to, rule)
	if bad != nil {
		bad.Answer(w, r)
	}
	return bad == nil
}

// paging reads limit and cursor; a cursor is a number that a list gave.
func paging(q url.Values) (limit int, at int64, bad []httpx.FieldError) {
	limit = 100
	if v := q.Get("limit"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1000 {
			bad = append(bad, httpx.FieldError{Pointer: "?limit", Code: "out_of_range", Detail: fmt.Sprintf("limit=%q: give a number from 1 to 1000", clip(v))})
		}
		limit = n
	}
	if v := q.Get("cursor"); v != "" {
		text, err := base64.RawURLEncoding.DecodeString(v)
		n, err2 := strconv.ParseInt(string(text), 10, 64)
		if err != nil || err2 != nil || n < 1 {
			bad = append(bad, httpx.FieldError{Pointer: "?cursor", Code: "not_a_cursor", Detail: fmt.Sprintf("cursor=%q: give the next_cursor of the page before", clip(v))})
		}
		at = n
	}
	return limit, at, bad
}

func cursor(at int64) *string {
	return new(base64.RawURLEncoding.EncodeToString(strconv.AppendInt(nil, at, 10)))
}

func clip(s string) string { return words.Clip(s, 80) }
