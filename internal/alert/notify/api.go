package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/plan"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
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
	m.HandleFunc("GET /notifications/config", s.getConfig, httpx.Doc("Shows the configuration: routes, receivers and templates in Alertmanager's vocabulary. Secrets are named by where they are; of addresses neither path nor query is shown."), httpx.Answer("200", "the configuration", httpx.Schema{"type": "object"}))
	m.HandleFunc("PUT /notifications/config", s.putConfig, httpx.Doc("Replaces the configuration, or refuses it as a whole. An address written as it is shown stays as it is. Receivers that were switched off are switched on."), httpx.BodyAs("application/json", httpx.Schema{"type": "object"}), httpx.BodyAs("application/yaml", httpx.Schema{"type": "string"}),
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
	HeldBack    string            `json:"held_back" doc:"why it is not tried now: quiet hours, a silence or an inhibition, the limit of its receiver; empty when it is"`
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
				n := shownMessage(&m)
				n.HeldBack = e.HeldBack(m.ID)
				out.Notifications = append(out.Notifications, n)
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
	var was *plan.Plan
	s.look(func(e *core.Engine) { was = e.Plan() })
	p, faults := was.Change(body)
	if faults == nil {
		faults = p.Refused(s.sender.Vault.Check)
	}
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
	httpx.Changed(r.Context(), json.RawMessage(was.Shown()), json.RawMessage(p.Shown())) // without secrets
	s.log.Info("notifications are configured anew", "receivers", len(p.Names()), "by", httpx.From(r))
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
	now, fp, known := s.o.Clock.Now(), label.Fingerprint(order.Fingerprint), false
	var before *core.Ack
	s.look(func(e *core.Engine) {
		a := e.Alert(fp)
		known = a != nil && !a.Resolved(now)
		if k := e.Ack(fp); k != nil {
			before = new(*k)
		}
	})
	if !known {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("no alert with the fingerprint %.40q fires; GET /api/v2/alerts lists them", order.Fingerprint))
		return
	}
	a := core.Ack{By: order.By, Comment: order.Comment, At: now.UTC()}
	if a.By == "" {
		a.By = cmp.Or(auth.Who(r.Context()), "somebody") + " from " + httpx.From(r)
	}
	if s.saved(w, r, core.Put(core.KindAck, order.Fingerprint, a)) {
		httpx.Changed(r.Context(), acked(fp, before), acked(fp, &a))
		s.log.Info("alert acknowledged", "fingerprint", order.Fingerprint, "by", a.By)
		httpx.JSON(w, http.StatusOK, a)
	}
}

// acked is an acknowledgement as the audit shows it.
func acked(fp label.Fingerprint, a *core.Ack) any {
	if a == nil {
		return nil
	}
	return map[string]any{"fingerprint": fp, "by": a.By, "comment": a.Comment, "at": a.At}
}
