package notify

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/channel"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/tmpl"
	"github.com/hxp-enterprise/hxp/internal/kit/conf"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Mount adds the questions and commands to data-streaming-api.
func (s *Service) Mount(m *httpx.Mux) {
	wrong, away := httpx.Answer("422", "something in it is wrong"), httpx.Answer("503", "the store is not to be had now, see Retry-After")
	unread, large := httpx.Answer("400", "it cannot be read"), httpx.Answer("413", "the body is too large")
	m.HandleFunc("GET /notifications", s.getMessages, httpx.Doc("Lists messages to receivers, those on their way and those that have ended, the newest first."),
		httpx.Query("since", "RFC 3339: only those made at this time or later"), httpx.Query("state", "only these", httpx.OneOf("", core.Waiting, core.Sent, core.Failed)), httpx.Query("receiver", "only to this one"),
		httpx.Query("limit", "how many at most, 500 by default"), httpx.Answer("200", "the messages", messageList{}), unread)
	m.HandleFunc("GET /notifications/config", s.getConfig, httpx.Doc("Shows the configuration: routes, receivers and templates in Alertmanager's vocabulary. Secrets are named by where they are, and queries of addresses are not shown."), httpx.Answer("200", "the configuration", httpx.Schema{"type": "object"}))
	m.HandleFunc("PUT /notifications/config", s.putConfig, httpx.Doc("Replaces the configuration, or refuses it as a whole. Receivers that were switched off are switched on."), httpx.BodyAs("application/json", httpx.Schema{"type": "object"}), httpx.BodyAs("application/yaml", httpx.Schema{"type": "string"}),
		httpx.Answer("200", "the configuration as it is now", httpx.Schema{"type": "object"}), httpx.Answer("415", "it is neither JSON nor YAML"), unread, large, wrong, away)
	m.HandleFunc("POST /notifications/test", s.test, httpx.Doc("Sends a message made up for it to a receiver, at once and past all limits, or only shows its texts."), httpx.BodyOf(testOrder{}),
		httpx.Answer("200", "it arrived in every way, or the texts", testOutcome{}), httpx.Answer("404", "there is no such receiver"), httpx.Answer("429", "too many tests in this minute, see Retry-After"), unread, large, httpx.Answer("422", "one of the ways did not take it, or something in the order is wrong"))
	m.HandleFunc("GET /notifications/silences", s.getSilences, httpx.Doc("Lists silences, those that last longest first."), httpx.Answer("200", "the silences", silenceList{}))
	m.HandleFunc("POST /notifications/silences", s.postSilence, httpx.Doc("Makes a silence, or with an id changes one, as POST /api/v2/silences."), httpx.BodyOf(core.Silence{}), httpx.Answer("201", "the silence", silence{}), unread, large, httpx.Answer("404", "there is no silence with this id"), wrong, away)
	m.HandleFunc("DELETE /notifications/silences/{id}", s.endSilence(http.StatusNoContent), httpx.Doc("Ends a silence."), httpx.Answer("204", "it has ended"), httpx.Answer("404", "there is no such silence"), away)
	m.HandleFunc("POST /notifications/ack", s.ack, httpx.Doc("Acknowledges an alert: nobody is woken further because of it. What was told stays told, and its end is told."), httpx.BodyOf(ackOrder{}),
		httpx.Answer("200", "the acknowledgement", core.Ack{}), unread, large, httpx.Answer("404", "no alert with this fingerprint fires"), wrong, away)
	s.mountV2(m)
}

const (
	maxConfig = 1 << 20
	maxOrder  = 64 << 10
	maxList   = 1000
)

// Notification is a message as GET /notifications and the stream show it.
type Notification struct {
	ID          string            `json:"id"`
	Receiver    string            `json:"receiver"`
	Channel     string            `json:"channel"`
	Way         string            `json:"way"`
	Status      string            `json:"status" doc:"waiting, sent or failed"`
	Attempts    int               `json:"attempts"`
	Uncertain   int               `json:"uncertain_attempts"` // cut before the answer: a copy with the same id may have arrived
	Reason      string            `json:"reason"`
	AlertStatus string            `json:"alert_status"`
	Title       string            `json:"title"`
	GroupLabels map[string]string `json:"group_labels"`
	Firing      int               `json:"firing"`
	Resolved    int               `json:"resolved"`
	CreatedAt   time.Time         `json:"created_at"`
	NextAt      *time.Time        `json:"next_at"`
	EndedAt     *time.Time        `json:"ended_at"`
	Error       string            `json:"error"`
}

type messageList struct {
	Notifications []Notification `json:"notifications"`
}

func shownMessage(m *core.Message) Notification {
	n := Notification{ID: m.ID, Receiver: m.Receiver, Channel: m.Channel, Way: m.Way, Status: m.State, Attempts: m.Attempts, Uncertain: m.Uncertain, Reason: m.Reason, AlertStatus: m.Status, Title: m.Title,
		GroupLabels: m.GroupLabels, Firing: m.Firing, Resolved: m.Resolved, CreatedAt: m.CreatedAt.UTC(), Error: m.Error}
	if m.State == core.Waiting {
		n.NextAt = new(m.NextAt.UTC())
	} else {
		n.EndedAt = new(m.EndedAt.UTC())
	}
	if n.GroupLabels == nil {
		n.GroupLabels = map[string]string{}
	}
	return n
}

func (s *Service) getMessages(w http.ResponseWriter, r *http.Request) {
	q, since, limit := r.URL.Query(), time.Time{}, 500
	bad := func(name, code, detail string) {
		httpx.Problem(w, r, http.StatusBadRequest, detail, httpx.FieldError{Pointer: "?" + name, Code: code, Detail: detail})
	}
	if text := q.Get("since"); text != "" {
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			bad("since", "not_a_time", fmt.Sprintf("since=%.40q is no time by RFC 3339", text))
			return
		}
		since = at
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxList {
			bad("limit", "out_of_range", fmt.Sprintf("limit=%.20q is not a number from 1 to %d", text, maxList))
			return
		}
		limit = n
	}
	state, receiver := q.Get("state"), q.Get("receiver")
	if !slices.Contains([]string{"", core.Waiting, core.Sent, core.Failed}, state) {
		bad("state", "unknown", fmt.Sprintf("state=%.40q is none of waiting, sent and failed", state))
		return
	}
	out := messageList{Notifications: []Notification{}}
	s.look(func(e *core.Engine) {
		for _, m := range e.Messages(since) {
			if len(out.Notifications) < limit && (state == "" || m.State == state) && (receiver == "" || m.Receiver == receiver) {
				out.Notifications = append(out.Notifications, shownMessage(&m))
			}
		}
	})
	httpx.JSON(w, http.StatusOK, out)
}

func (s *Service) getConfig(w http.ResponseWriter, _ *http.Request) {
	var document json.RawMessage
	s.look(func(e *core.Engine) { document = e.Plan().Shown() })
	httpx.JSON(w, http.StatusOK, document)
}

// documentTypes are the media types of a configuration. Without one it is YAML, which JSON is as well.
var documentTypes = []string{"application/json", "application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", ""}

func (s *Service) putConfig(w http.ResponseWriter, r *http.Request) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") != "" && (err != nil || !slices.Contains(documentTypes, kind)) {
		httpx.Problem(w, r, http.StatusUnsupportedMediaType, "send the configuration as application/json or application/yaml")
		return
	}
	body, fault := httpx.ReadBody(w, r, maxConfig)
	if fault != nil {
		fault.Answer(w, r)
		return
	}
	p, faults := plan.Parse(body)
	if faults != nil {
		refuseConfig(w, r, faults)
		return
	}
	docs := []core.Doc{core.Put(core.KindConfig, "current", json.RawMessage(p.Document()))}
	s.look(func(e *core.Engine) {
		for _, way := range e.OffWays() {
			docs = append(docs, core.Remove(core.KindOff, way))
		}
	})
	if !s.saved(w, r, docs...) {
		return
	}
	s.log.Info("notifications are configured anew", "receivers", len(p.Names()), "by", from(r))
	s.getConfig(w, r)
}

func refuseConfig(w http.ResponseWriter, r *http.Request, faults []conf.DocumentFault) {
	status, errs := http.StatusUnprocessableEntity, []httpx.FieldError{}
	for _, f := range faults {
		if f.Pointer == "" && f.Line >= 0 && len(faults) == 1 {
			status = http.StatusBadRequest
		}
		errs = append(errs, httpx.FieldError{Pointer: f.Pointer, Code: "wrong", Detail: f.Detail, Line: f.Line})
	}
	detail := strings.TrimPrefix(faults[0].Pointer+": "+faults[0].Detail, ": ")
	if n := len(faults) - 1; n > 0 {
		detail += fmt.Sprintf(" (and %d more)", n)
	}
	httpx.Problem(w, r, status, detail, errs...)
}

// saved stores what somebody asked for, or answers why not.
func (s *Service) saved(w http.ResponseWriter, r *http.Request, docs ...core.Doc) bool {
	err := s.save(r.Context(), 0, docs...)
	if err == nil {
		return true
	}
	s.unavailable(w, r, err)
	return false
}

func (s *Service) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to hear it
	}
	s.log.Warn("the store of notifications is not to be had", "path", r.URL.Path, "error", err)
	httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "the store is not to be had now; try again")
}

func from(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

type testOrder struct {
	Receiver    string            `json:"receiver"`
	Preview     bool              `json:"preview,omitempty"`     // only show the texts
	Labels      map[string]string `json:"labels,omitempty"`      // of the alert that is made up
	Annotations map[string]string `json:"annotations,omitempty"` //
	Status      string            `json:"status,omitempty"`      // firing or resolved
}

// tested is what became of a test in one way.
type tested struct {
	Way     string            `json:"way"`
	Channel string            `json:"channel"`
	Sent    bool              `json:"sent"`
	Error   string            `json:"error,omitempty"`
	Texts   map[string]string `json:"texts,omitempty"`
}

type testOutcome struct {
	Results []tested `json:"results"`
}

func (s *Service) test(w http.ResponseWriter, r *http.Request) {
	var order testOrder
	if bad := httpx.DecodeBody(w, r, maxOrder, &order, httpx.Strict); bad != nil {
		bad.Answer(w, r)
		return
	}
	labels := label.Set{"alertname": "HxpTest", "severity": "info"}
	maps.Copy(labels, order.Labels)
	annotations := label.Set{"summary": "a test of the receiver " + order.Receiver}
	maps.Copy(annotations, order.Annotations)
	for at, set := range map[string]label.Set{"/labels": labels, "/annotations": annotations} {
		if _, err := set.Check(); err != nil {
			httpx.Wrong(at, "wrong", err.Error()).Answer(w, r)
			return
		}
	}
	if order.Status == "" {
		order.Status = tmpl.Firing
	}
	if order.Status != tmpl.Firing && order.Status != tmpl.Resolved {
		httpx.Wrong("/status", "unknown", "it is firing or resolved").Answer(w, r)
		return
	}
	var target *plan.Target
	s.look(func(e *core.Engine) { target = e.Plan().Target(order.Receiver) })
	if target == nil {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no receiver %.80q; GET /notifications/config lists them", order.Receiver), httpx.FieldError{Pointer: "/receiver", Code: "unknown", Detail: "there is no such receiver"})
		return
	}
	if !order.Preview {
		if wait := s.tests.take(time.Now()); wait > 0 {
			httpx.Unavailable(w, r, http.StatusTooManyRequests, wait, fmt.Sprintf("%d tests were sent in this minute, which is the limit", testsPerMinute))
			return
		}
	}
	out := s.testAll(r.Context(), target, madeUp(&order, labels, annotations, s.cfg.ExternalURL, time.Now()), order.Preview)
	var errs []httpx.FieldError
	for _, x := range out.Results {
		if x.Error != "" {
			errs = append(errs, httpx.FieldError{Code: "not_taken", Detail: x.Way + ": " + x.Error})
		}
	}
	if errs != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, fmt.Sprintf("%d of %d ways did not take it; the first: %s", len(errs), len(out.Results), errs[0].Detail), errs...)
		return
	}
	httpx.JSON(w, http.StatusOK, out)
}

// madeUp is the message of a test.
func madeUp(o *testOrder, labels, annotations label.Set, page string, now time.Time) *tmpl.Data {
	a := tmpl.Alert{Status: o.Status, Labels: labels, Annotations: annotations, StartsAt: now.UTC(), GeneratorURL: page, Fingerprint: string(labels.Fingerprint())}
	if o.Status == tmpl.Resolved {
		a.StartsAt, a.EndsAt = now.Add(-time.Minute).UTC(), now.UTC()
	}
	group := label.Set{"alertname": labels["alertname"]}
	return &tmpl.Data{Version: "4", GroupKey: "{}/{test=\"true\"}:" + group.String(), Status: o.Status, Receiver: o.Receiver, GroupLabels: group, CommonLabels: labels, CommonAnnotations: annotations, ExternalURL: page, Alerts: []tmpl.Alert{a}}
}

// testsPerMinute bounds tests, because no limit of a receiver does, and each of them can be sent to where somebody else is.
const testsPerMinute = 30

// testPace counts the tests of a minute.
type testPace struct {
	mu     sync.Mutex
	minute time.Time
	made   int
}

// take counts a test, or tells how long to wait for the next one.
func (p *testPace) take(now time.Time) (wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(p.minute) {
		p.minute, p.made = minute, 0
	}
	if p.made >= testsPerMinute {
		return p.minute.Add(time.Minute).Sub(now)
	}
	p.made++
	return 0
}

// testLimit bounds a test: a person waits.
const testLimit = 20 * time.Second

func (s *Service) testAll(ctx context.Context, t *plan.Target, d *tmpl.Data, preview bool) testOutcome {
	ctx, stop := context.WithTimeout(ctx, testLimit)
	defer stop()
	out := testOutcome{Results: make([]tested, len(t.Ways))}
	var wg sync.WaitGroup
	gate := make(chan struct{}, mostOfWay)
	for i, way := range t.Ways {
		x := &out.Results[i]
		*x = tested{Way: way.ID, Channel: way.Channel}
		if preview {
			x.Texts = way.Texts(d)
			continue
		}
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			now := time.Now()
			if err := s.sender.Send(ctx, way, &channel.Message{ID: "msg_test" + rand.Text(), At: now, Made: now, Data: d}); err != nil {
				x.Error = err.Error()
			} else {
				x.Sent = true
			}
		})
	}
	wg.Wait()
	return out
}

type ackOrder struct {
	Fingerprint string `json:"fingerprint"`
	By          string `json:"by,omitempty"`
	Comment     string `json:"comment,omitempty"`
}

func (s *Service) ack(w http.ResponseWriter, r *http.Request) {
	var order ackOrder
	if bad := httpx.DecodeBody(w, r, maxOrder, &order, httpx.Strict); bad != nil {
		bad.Answer(w, r)
		return
	}
	if len(order.By) > 256 || len(order.Comment) > 4096 {
		httpx.Wrong("/by", "too_long", "by has at most 256 bytes, comment 4096").Answer(w, r)
		return
	}
	now, fp, known := time.Now(), label.Fingerprint(order.Fingerprint), false
	s.look(func(e *core.Engine) {
		a := e.Alert(fp)
		known = a != nil && !a.Resolved(now)
	})
	if !known {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("no alert with the fingerprint %.40q fires; GET /api/v2/alerts lists them", order.Fingerprint))
		return
	}
	a := core.Ack{By: order.By, Comment: order.Comment, At: now.UTC()}
	if a.By == "" {
		a.By = "somebody from " + from(r)
	}
	if s.saved(w, r, core.Put(core.KindAck, order.Fingerprint, a)) {
		s.log.Info("alert acknowledged", "fingerprint", order.Fingerprint, "by", a.By)
		httpx.JSON(w, http.StatusOK, a)
	}
}

// silence is a silence in the shape of API v2.
type silence struct {
	core.Silence
	Status silenceStatus `json:"status"`
}

type silenceStatus struct {
	State string `json:"state"`
}

type silenceList struct {
	Silences []silence `json:"silences"`
}

func (s *Service) silences(match func(*core.Silence) bool) []silence {
	out, now := []silence{}, time.Now()
	s.look(func(e *core.Engine) {
		for _, x := range e.Silences() {
			if match == nil || match(&x) {
				out = append(out, silence{x, silenceStatus{x.State(now)}})
			}
		}
	})
	return out
}

func (s *Service) getSilences(w http.ResponseWriter, _ *http.Request) {
	httpx.JSON(w, http.StatusOK, silenceList{s.silences(nil)})
}

func (s *Service) postSilence(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.makeSilence(w, r); ok {
		httpx.JSON(w, http.StatusCreated, silence{*made, silenceStatus{made.State(time.Now())}})
	}
}

// mostSilences bounds what is kept.
const mostSilences = 5000

// makeSilence makes a silence, or changes one. As in Alertmanager, a change of what it matches, or of the start of one that has begun,
// ends it and makes another.
func (s *Service) makeSilence(w http.ResponseWriter, r *http.Request) (*core.Silence, bool) {
	var in core.Silence
	if bad := httpx.DecodeBody(w, r, maxOrder, &in, httpx.Lenient); bad != nil {
		bad.Status = min(bad.Status, http.StatusUnprocessableEntity)
		bad.Answer(w, r)
		return nil, false
	}
	now := time.Now().UTC()
	if at, err := in.Check(); err != nil {
		httpx.Wrong("/"+at, "wrong", err.Error()).Answer(w, r)
		return nil, false
	}
	if !in.EndsAt.After(now) {
		httpx.Wrong("/endsAt", "in_the_past", "it must lie in the future").Answer(w, r)
		return nil, false
	}
	var old *core.Silence
	count := 0
	s.look(func(e *core.Engine) {
		if x := e.Silence(in.ID); x != nil {
			old = new(*x)
		}
		count = len(e.Silences())
	})
	switch {
	case in.ID != "" && old == nil:
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no silence %.80q", in.ID))
		return nil, false
	case old == nil && count >= mostSilences:
		httpx.Wrong("", "too_many", fmt.Sprintf("there are %d silences; no more are kept", mostSilences)).Answer(w, r)
		return nil, false
	}
	in.UpdatedAt = now
	var docs []core.Doc
	if old != nil && !changes(old, &in, now) {
		docs = append(docs, ended(old, now)...)
		old = nil
	}
	if old == nil {
		in.ID = newID()
		if in.StartsAt.Before(now) {
			in.StartsAt = now
		}
	}
	if !s.saved(w, r, append(docs, core.Put(core.KindSilence, in.ID, in))...) {
		return nil, false
	}
	s.log.Info("silence made", "id", in.ID, "by", in.CreatedBy, "until", in.EndsAt, "matchers", in.Conditions().String())
	return &in, true
}

// changes tells whether a silence can become the other one.
func changes(old, to *core.Silence, now time.Time) bool {
	switch state := old.State(now); {
	case state == core.SilenceExpired, !old.Conditions().Equal(to.Conditions()):
		return false
	case state == core.SilenceActive:
		return to.StartsAt.Equal(old.StartsAt)
	}
	return true
}

// ended is a silence that ends now. One that has not begun never does.
func ended(x *core.Silence, now time.Time) []core.Doc {
	if x.State(now) == core.SilenceExpired {
		return nil
	}
	out := *x
	out.EndsAt, out.UpdatedAt = now, now
	if out.StartsAt.After(now) {
		out.StartsAt = now.Add(-time.Microsecond)
	}
	return []core.Doc{core.Put(core.KindSilence, out.ID, out)}
}

func (s *Service) endSilence(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().UTC()
		var found *core.Silence
		s.look(func(e *core.Engine) {
			if x := e.Silence(r.PathValue("id")); x != nil {
				found = new(*x)
			}
		})
		if found == nil {
			httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no silence %.80q; GET /notifications/silences lists them", r.PathValue("id")))
			return
		}
		if docs := ended(found, now); docs != nil {
			if !s.saved(w, r, docs...) {
				return
			}
			s.log.Info("silence ended", "id", found.ID, "by", from(r))
		}
		w.WriteHeader(status)
	}
}

// newID is a random UUID, as Alertmanager names silences.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
