package alert

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/secret"
)

// Links are addresses at which a person decides on one proposal. Whoever has the address may decide, until the proposal ends: the
// signature covers its id and its end. An address is used up by its first decision, because a proposal is decided once. Any process
// that has the secret makes the same ones, and any event-processing-api that answers alerts takes them.
type Links struct {
	key  []byte
	page string // where event-processing-api is reached
}

// minSecret is the length of a secret that nobody guesses.
const minSecret = 32

// NewLinks are the links of a configuration, nil when they are off.
func NewLinks(c Config) (*Links, error) {
	if c.ApprovalSecret == "" {
		return nil, nil
	}
	key, err := secret.Read(c.ApprovalSecret)
	if err != nil {
		return nil, fmt.Errorf("responses.approval_secret: %w", err)
	}
	if len(key) < minSecret {
		return nil, fmt.Errorf("responses.approval_secret: the secret has %d bytes; at least %d are needed, such as openssl rand -base64 32 makes", len(key), minSecret)
	}
	return &Links{[]byte(key), strings.TrimSuffix(c.ApprovalURL, "/")}, nil
}

// sign is the signature of a proposal that ends at a time.
func (l *Links) sign(id string, until int64) string {
	mac := hmac.New(sha256.New, l.key)
	fmt.Fprintf(mac, "hxp approval 1\n%s\n%d", id, until)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// of is the link of a proposal.
func (l *Links) of(r *respond.Response) string {
	until := r.ExpiresAt.Unix()
	return l.page + "/responses/" + url.PathEscape(r.ID) + "/decision?" + url.Values{"until": {strconv.FormatInt(until, 10)}, "signature": {l.sign(r.ID, until)}}.Encode()
}

// What can be wrong with a link.
var (
	errForged = errors.New("this link was not made by hxp, or it was changed on its way")
	errOver   = errors.New("this link is over; the proposal was not decided in time")
)

// check tells why a link does not hold.
func (l *Links) check(id string, q url.Values, now time.Time) error {
	until, err := strconv.ParseInt(q.Get("until"), 10, 64)
	if err != nil || !hmac.Equal([]byte(q.Get("signature")), []byte(l.sign(id, until))) {
		return errForged
	}
	if now.Unix() >= until {
		return errOver
	}
	return nil
}

// Proposal is what a person may decide upon by a link.
type Proposal struct {
	What  string // in words
	Link  string
	Until time.Time
}

// Proposals are the open ones that an episode of hxp-alerts gave rise to. now is by the clock that decides when a proposal ends.
func (a *Account) Proposals(l *Links, episode string, now time.Time) (out []Proposal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.book.Open() {
		if r.State == respond.Proposed && r.Order.Alert == episode && now.Before(r.ExpiresAt) {
			out = append(out, Proposal{inWords(&r.Order), l.of(r), r.ExpiresAt})
		}
	}
	return out
}

// inWords says what an order does.
func inWords(o *respond.Order) string {
	var b strings.Builder
	b.WriteString(o.Action)
	for _, name := range slices.Sorted(maps.Keys(o.With)) {
		fmt.Fprintf(&b, " %s=%s", name, o.With[name])
	}
	return b.String() + " on " + o.Target
}

// mountDecision adds the page of a link. GET shows what will be done and changes nothing: programs that look at mail follow links.
// Nobody is asked for a token: the signature of the link says that who has it may decide.
func (s *Service) mountDecision(m *httpx.Mux) {
	m.HandleFunc("GET /responses/{id}/decision", s.getDecision, httpx.Hidden(), httpx.Open())
	m.HandleFunc("POST /responses/{id}/decision", s.postDecision, httpx.Hidden(), httpx.Open())
}

// linked finds the response of a link that holds; it answers itself when there is none.
func (s *Service) linked(w http.ResponseWriter, r *http.Request) (out Response, ok bool) {
	if s.links == nil {
		unknown(w, r)
		return out, false
	}
	err := s.links.check(r.PathValue("id"), r.URL.Query(), s.clock.Now())
	switch {
	case errors.Is(err, errOver):
		showPage(w, http.StatusGone, err.Error(), nil)
		return out, false
	case err != nil:
		s.log.Debug("a link of a proposal does not hold", "response", clip(r.PathValue("id")), "from", r.RemoteAddr)
		showPage(w, http.StatusForbidden, err.Error(), nil)
		return out, false
	}
	if out, ok = s.find(r.PathValue("id")); !ok {
		showPage(w, http.StatusNotFound, "this proposal is not known here any more", nil)
	}
	return out, ok
}

func (s *Service) getDecision(w http.ResponseWriter, r *http.Request) {
	x, ok := s.linked(w, r)
	switch {
	case !ok:
	case x.State != string(respond.Proposed):
		showPage(w, http.StatusConflict, "this link is used up: the response is "+x.State, &x)
	case s.switchState().On:
		showPage(w, http.StatusOK, "the kill switch is on, so it can be dismissed and not approved", &x)
	default:
		showPage(w, http.StatusOK, "", &x)
	}
}

// maxForm bounds what the page sends.
const maxForm = 4 << 10

func (s *Service) postDecision(w http.ResponseWriter, r *http.Request) {
	x, ok := s.linked(w, r)
	if !ok {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		showPage(w, http.StatusBadRequest, "the form cannot be read: "+err.Error(), &x)
		return
	}
	by := who(r, r.PostForm.Get("by")) + " by signed link"
	httpx.ChangedBy(r.Context(), by)
	var err error
	switch verb := r.PostForm.Get("decision"); verb {
	case "approve":
		err = s.machine.Approve(r.Context(), x.ID, by, "approved by signed link")
	case "dismiss":
		err = s.machine.Dismiss(r.Context(), x.ID, by, "dismissed by signed link")
	default:
		showPage(w, http.StatusUnprocessableEntity, fmt.Sprintf("the decision %q is neither approve nor dismiss", clip(verb)), &x)
		return
	}
	before := x
	if now, ok := s.find(x.ID); ok {
		x = now
	}
	switch {
	case errors.Is(err, respond.ErrSwitch):
		showPage(w, http.StatusConflict, err.Error(), &x)
	case err != nil && (errors.Is(err, respond.ErrState) || errors.Is(err, respond.ErrUnknown)):
		showPage(w, http.StatusConflict, "this link is used up: the response is "+x.State, &x)
	case err != nil:
		s.log.Warn("a decision by link could not be written", "response", x.ID, "error", err)
		showPage(w, http.StatusServiceUnavailable, "the audit log is not to be had now, and nothing is done without it; try again", &x)
	default:
		httpx.Changed(r.Context(), before.standing(), x.standing())
		showPage(w, http.StatusOK, "done: the response is "+x.State, &x)
	}
}
