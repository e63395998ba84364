package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/words"
)

// mountV2 adds Alertmanager's API v2, as far as its clients need it, and the way in of its webhook.
func (s *Service) mountV2(m *httpx.Mux) {
	unread, large, away := httpx.Answer("400", "something in it is wrong"), httpx.Answer("413", "the body is too large"), httpx.Answer("503", "the store is not to be had now, or there are too many alerts; see Retry-After")
	filters := []httpx.Option{
		httpx.Query("filter", "a matcher such as severity=\"critical\"; may be given several times"), httpx.Query("receiver", "a regular expression; only alerts for receivers that match it"),
		httpx.Query("active", "false leaves out those that are told"), httpx.Query("silenced", "false leaves out those that are silenced"), httpx.Query("inhibited", "false leaves out those that are inhibited"),
		httpx.Query("unprocessed", "taken and changes nothing"), unread,
	}
	bring := httpx.Needs(httpx.Ingest, httpx.Admin) // a Prometheus that tells its alerts needs no power over hxp
	m.HandleFunc("POST /api/v2/alerts", s.postAlerts, bring, httpx.Doc("Takes alerts as Prometheus sends them. Those that are right are taken also when others are not."), httpx.BodyOf(httpx.List(incoming{})), httpx.Answer("200", "taken"), unread, large, away)
	m.HandleFunc("GET /api/v2/alerts", s.getAlerts, append(filters, httpx.Doc("Lists the alerts that fire, in Alertmanager's shape."), httpx.Answer("200", "the alerts", httpx.List(gettable{})))...)
	m.HandleFunc("GET /api/v2/alerts/groups", s.getGroups, append(filters, httpx.Doc("Lists the groups of the alerts that fire."), httpx.Answer("200", "the groups", httpx.List(alertGroup{})))...)
	m.HandleFunc("GET /api/v2/receivers", s.getReceivers, httpx.Doc("Lists the receivers."), httpx.Answer("200", "the receivers", httpx.List(named{})))
	m.HandleFunc("GET /api/v2/status", s.getStatus, httpx.Doc("Tells the configuration and since when this runs."), httpx.Answer("200", "the status", statusV2{}))
	m.HandleFunc("GET /api/v2/silences", s.getSilencesV2, httpx.Doc("Lists silences, in Alertmanager's shape."), httpx.Query("filter", "a matcher; may be given several times"), httpx.Answer("200", "the silences", httpx.List(silence{})), unread)
	m.HandleFunc("POST /api/v2/silences", s.postSilenceV2, httpx.Doc("Makes a silence, or with an id changes one."), httpx.BodyOf(core.Silence{}), httpx.Answer("200", "its id", silenceID{}), unread, large, httpx.Answer("404", "there is no silence with this id"), httpx.Answer("422", "something in it is wrong"), away)
	m.HandleFunc("GET /api/v2/silence/{id}", s.getSilenceV2, httpx.Doc("Shows a silence."), httpx.Answer("200", "the silence", silence{}), httpx.Answer("404", "there is no such silence"))
	m.HandleFunc("DELETE /api/v2/silence/{id}", s.endSilence(http.StatusOK), httpx.Doc("Ends a silence."), httpx.Answer("200", "it has ended"), httpx.Answer("404", "there is no such silence"), away)
	m.HandleFunc("POST /webhooks/alertmanager", s.postWebhook, bring, httpx.Doc("Takes what an Alertmanager sends to a webhook (version 4); it goes through the same routes."), httpx.BodyOf(webhookIn{}), httpx.Answer("200", "taken"), unread, large, away)
}

const (
	maxPost      = 4 << 20
	mostOfPost   = 5000
	webhookAlive = 24 * time.Hour // after which an alert that came by webhook is over, when nothing more is heard of it
)

// incoming is an alert of a post.
type incoming struct {
	Labels       label.Set `json:"labels"`
	Annotations  label.Set `json:"annotations,omitempty"`
	StartsAt     string    `json:"startsAt,omitempty"`
	EndsAt       string    `json:"endsAt,omitempty"`
	GeneratorURL string    `json:"generatorURL,omitempty"`
}

type webhookIn struct {
	Version string         `json:"version"`
	Alerts  []webhookAlert `json:"alerts"`
}

type webhookAlert struct {
	incoming
	Status string `json:"status"`
}

// read makes an alert of what came. Without an end it lives for a time, unless it comes again.
func (in *incoming) read(now time.Time, source string, alive time.Duration) (core.Alert, string, error) {
	a := core.Alert{Labels: in.Labels.WithoutEmpty(), Annotations: in.Annotations.WithoutEmpty(), GeneratorURL: in.GeneratorURL, UpdatedAt: now, Since: now, Source: source}
	if len(a.Labels) == 0 {
		return a, "labels", errors.New("an alert has at least one label")
	}
	for at, set := range map[string]label.Set{"labels": a.Labels, "annotations": a.Annotations} {
		if name, err := set.Check(); err != nil {
			return a, strings.TrimSuffix(at+"/"+name, "/"), err
		}
	}
	if n := a.Labels.Size() + a.Annotations.Size(); n > core.MaxBytes {
		return a, "annotations", fmt.Errorf("they have %d bytes with the labels; at most %d are taken", n, core.MaxBytes)
	}
	if len(in.GeneratorURL) > label.MaxValue {
		return a, "generatorURL", fmt.Errorf("it has more than %d bytes", label.MaxValue)
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"startsAt", in.StartsAt, &a.StartsAt}, {"endsAt", in.EndsAt, &a.EndsAt}} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err == nil {
			at, err = core.UTC(at)
		}
		if err != nil {
			return a, t.name, fmt.Errorf("%.40q is no time by RFC 3339", t.text)
		}
		if at.Year() > 1 { // the zero time is none
			*t.to = at
		}
	}
	switch {
	case a.StartsAt.IsZero() && !a.EndsAt.IsZero() && a.EndsAt.Before(now):
		a.StartsAt = a.EndsAt
	case a.StartsAt.IsZero():
		a.StartsAt = now
	}
	if a.EndsAt.IsZero() {
		a.EndsAt, a.Timeout = now.Add(alive), true
	}
	if a.EndsAt.Before(a.StartsAt) {
		if a.Timeout {
			return a, "startsAt", errors.New("it lies too far in the future")
		}
		return a, "endsAt", errors.New("it lies before startsAt")
	}
	return a, "", nil
}

func (s *Service) postAlerts(w http.ResponseWriter, r *http.Request) {
	body, bad := httpx.ReadBody(w, r, maxPost)
	if bad != nil {
		bad.Answer(w, r)
		return
	}
	var list []incoming
	if err := json.Unmarshal(body, &list); err != nil || list == nil {
		httpx.Problem(w, r, http.StatusBadRequest, "the body is no list of alerts"+why(err))
		return
	}
	alive := s.resolveTimeout()
	s.taken(w, r, len(list), func(i int, now time.Time) (core.Alert, string, error) { return list[i].read(now, core.FromAPI, alive) })
}

func (s *Service) resolveTimeout() (d time.Duration) {
	s.look(func(e *core.Engine) { d = e.Plan().ResolveTimeout })
	return d
}

func (s *Service) postWebhook(w http.ResponseWriter, r *http.Request) {
	body, bad := httpx.ReadBody(w, r, maxPost)
	if bad != nil {
		bad.Answer(w, r)
		return
	}
	var in webhookIn
	if err := json.Unmarshal(body, &in); err != nil || in.Alerts == nil {
		httpx.Problem(w, r, http.StatusBadRequest, "the body is no webhook of an Alertmanager"+why(err))
		return
	}
	if in.Version != "4" {
		httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("version %.20q of the webhook is not known; 4 is", in.Version), httpx.FieldError{Pointer: "/version", Code: "unknown", Detail: "it is 4"})
		return
	}
	s.taken(w, r, len(in.Alerts), func(i int, now time.Time) (core.Alert, string, error) {
		a := &in.Alerts[i]
		if a.Status != "firing" && a.Status != "resolved" {
			return core.Alert{}, "status", errors.New("it is firing or resolved")
		}
		if a.Status == "firing" { // the end that an Alertmanager tells of it is only assumed
			a.EndsAt = ""
		} else if a.EndsAt == "" {
			a.EndsAt = now.Format(time.RFC3339Nano)
		}
		return a.read(now, core.FromWebhook, webhookAlive)
	})
}

// taken reads alerts and takes those that are right.
func (s *Service) taken(w http.ResponseWriter, r *http.Request, n int, read func(i int, now time.Time) (core.Alert, string, error)) {
	if n > mostOfPost {
		httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("there are %d alerts; at most %d are taken at once", n, mostOfPost))
		return
	}
	now := s.o.Clock.Wall().UTC()
	apart := s.o.Clock.Apart()
	var alerts []core.Alert
	var errs []httpx.FieldError
	for i := range n {
		a, at, err := read(i, now)
		if err == nil {
			for _, t := range []*time.Time{&a.StartsAt, &a.EndsAt, &a.UpdatedAt, &a.Since} { // senders go by the clock on the wall
				*t = t.Add(apart)
			}
			alerts = append(alerts, a)
		} else if len(errs) < 20 {
			errs = append(errs, httpx.FieldError{Pointer: fmt.Sprintf("/%d/%s", i, at), Code: "wrong", Detail: err.Error()})
		}
	}
	switch err := s.take(r.Context(), 0, alerts); {
	case errors.Is(err, errFull):
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Minute, fmt.Sprintf("there are too many alerts, or too large ones (at most %d, and %d bytes, a quarter of it for those of hxp itself); some of these were not taken", most.Alerts, most.Bytes))
	case err != nil:
		s.unavailable(w, r, err)
	case errs != nil:
		httpx.Problem(w, r, http.StatusBadRequest, fmt.Sprintf("%d of %d alerts were taken; %s: %s", len(alerts), n, strings.TrimPrefix(errs[0].Pointer, "/"), errs[0].Detail), errs...)
	default:
		httpx.JSON(w, http.StatusOK, struct{}{})
	}
}

type named struct {
	Name string `json:"name"`
}

// gettable is an alert in the shape of API v2. acknowledgedBy is ours.
type gettable struct {
	Annotations    label.Set   `json:"annotations"`
	EndsAt         time.Time   `json:"endsAt"`
	Fingerprint    string      `json:"fingerprint"`
	Receivers      []named     `json:"receivers"`
	StartsAt       time.Time   `json:"startsAt"`
	Status         alertStatus `json:"status"`
	UpdatedAt      time.Time   `json:"updatedAt"`
	GeneratorURL   string      `json:"generatorURL"`
	Labels         label.Set   `json:"labels"`
	AcknowledgedBy string      `json:"acknowledgedBy,omitempty"`
}

type alertStatus struct {
	State       string              `json:"state"`
	SilencedBy  []string            `json:"silencedBy"`
	InhibitedBy []label.Fingerprint `json:"inhibitedBy"`
	MutedBy     []string            `json:"mutedBy"`
}

func shownAlert(x *core.Seen, now time.Time) gettable {
	g := gettable{Annotations: x.Alert.Annotations, EndsAt: x.Alert.EndsAt.UTC(), Fingerprint: string(x.Fingerprint), StartsAt: x.Alert.StartsAt.UTC(), UpdatedAt: x.Alert.UpdatedAt.UTC(), GeneratorURL: x.Alert.GeneratorURL, Labels: x.Alert.Labels,
		Status: alertStatus{State: "active", SilencedBy: append([]string{}, x.SilencedBy...), InhibitedBy: append([]label.Fingerprint{}, x.InhibitedBy...), MutedBy: append([]string{}, x.MutedBy...)}}
	if g.Annotations == nil {
		g.Annotations = label.Set{}
	}
	if x.Alert.EndsAt.IsZero() { // nobody knows; clients want a time
		g.EndsAt = now.Add(24 * time.Hour).UTC()
	}
	for _, name := range x.Receivers {
		g.Receivers = append(g.Receivers, named{name})
	}
	if x.Suppressed() {
		g.Status.State = "suppressed"
	}
	if x.Ack != nil {
		g.AcknowledgedBy = x.Ack.By
	}
	return g
}

// wanted reads the filters of a list of alerts.
func wanted(r *http.Request) (func(*core.Seen) bool, *httpx.FieldError) {
	q := r.URL.Query()
	matchers, bad := filterOf(r)
	if bad != nil {
		return nil, bad
	}
	receiver := regexp.MustCompile("")
	if text := q.Get("receiver"); text != "" {
		re, err := regexp.Compile("^(?:" + text + ")$")
		if err != nil || len(text) > 1000 {
			return nil, &httpx.FieldError{Pointer: "?receiver", Code: "not_a_pattern", Detail: fmt.Sprintf("receiver=%.40q is no regular expression (RE2)", text)}
		}
		receiver = re
	}
	show := map[string]bool{}
	for _, name := range []string{"active", "silenced", "inhibited", "unprocessed"} {
		switch v := q.Get(name); v {
		case "", "true":
			show[name] = true
		case "false":
		default:
			return nil, &httpx.FieldError{Pointer: "?" + name, Code: "not_a_flag", Detail: fmt.Sprintf("%s=%.40q is neither true nor false", name, v)}
		}
	}
	return func(x *core.Seen) bool {
		to := false
		for _, name := range x.Receivers {
			to = to || receiver.MatchString(name)
		}
		return to && matchers.Match(x.Alert.Labels) && (show["active"] || x.Suppressed()) && (show["silenced"] || len(x.SilencedBy) == 0) && (show["inhibited"] || len(x.InhibitedBy) == 0)
	}, nil
}

func filterOf(r *http.Request) (label.Matchers, *httpx.FieldError) {
	var out label.Matchers
	for _, text := range r.URL.Query()["filter"] {
		ms, err := label.Parse(text)
		if err != nil {
			return nil, &httpx.FieldError{Pointer: "?filter", Code: "not_a_matcher", Detail: fmt.Sprintf("filter=%.60q: %v", text, err)}
		}
		out = append(out, ms...)
	}
	return out, nil
}

func (s *Service) getAlerts(w http.ResponseWriter, r *http.Request) {
	want, bad := wanted(r)
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	out, now := []gettable{}, s.o.Clock.Now()
	s.look(func(e *core.Engine) {
		for _, x := range e.Alerts(now) {
			if want(&x) {
				out = append(out, shownAlert(&x, now))
			}
		}
	})
	httpx.JSON(w, http.StatusOK, out)
}

type alertGroup struct {
	Labels   label.Set  `json:"labels"`
	Receiver named      `json:"receiver"`
	Alerts   []gettable `json:"alerts"`
}

func (s *Service) getGroups(w http.ResponseWriter, r *http.Request) {
	want, bad := wanted(r)
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	out, now := []alertGroup{}, s.o.Clock.Now()
	s.look(func(e *core.Engine) {
		for _, g := range e.Groups(now) {
			x := alertGroup{g.Labels, named{g.Receiver}, nil}
			for i := range g.Alerts {
				if want(&g.Alerts[i]) {
					x.Alerts = append(x.Alerts, shownAlert(&g.Alerts[i], now))
				}
			}
			if x.Alerts != nil {
				out = append(out, x)
			}
		}
	})
	httpx.JSON(w, http.StatusOK, out)
}

func (s *Service) getReceivers(w http.ResponseWriter, _ *http.Request) {
	out := []named{}
	s.look(func(e *core.Engine) {
		for _, name := range e.Plan().Names() {
			out = append(out, named{name})
		}
	})
	httpx.JSON(w, http.StatusOK, out)
}

type statusV2 struct {
	Cluster     clusterStatus     `json:"cluster"`
	VersionInfo map[string]string `json:"versionInfo"`
	Config      originalConfig    `json:"config"`
	Uptime      time.Time         `json:"uptime"`
}

type clusterStatus struct {
	Status string     `json:"status"`
	Peers  []struct{} `json:"peers"`
}

type originalConfig struct {
	Original string `json:"original"`
}

func (s *Service) getStatus(w http.ResponseWriter, _ *http.Request) {
	out := statusV2{Cluster: clusterStatus{"disabled", []struct{}{}}, Uptime: s.began.UTC(), VersionInfo: map[string]string{"version": s.o.Version, "branch": "", "buildDate": "", "buildUser": "", "goVersion": "", "revision": ""}}
	s.look(func(e *core.Engine) { out.Config.Original = string(e.Plan().Shown()) })
	httpx.JSON(w, http.StatusOK, out)
}

func (s *Service) getSilencesV2(w http.ResponseWriter, r *http.Request) {
	matchers, bad := filterOf(r)
	if bad != nil {
		httpx.Problem(w, r, http.StatusBadRequest, bad.Detail, *bad)
		return
	}
	httpx.JSON(w, http.StatusOK, s.silences(func(x *core.Silence) bool {
		labels := label.Set{}
		for _, m := range x.Matchers {
			labels[m.Name] = m.Value
		}
		return matchers.Match(labels)
	}))
}

type silenceID struct {
	ID string `json:"silenceID"`
}

func (s *Service) postSilenceV2(w http.ResponseWriter, r *http.Request) {
	if made, ok := s.makeSilence(w, r); ok {
		httpx.JSON(w, http.StatusOK, silenceID{made.ID})
	}
}

func (s *Service) getSilenceV2(w http.ResponseWriter, r *http.Request) {
	found := s.silences(func(x *core.Silence) bool { return x.ID == r.PathValue("id") })
	if len(found) == 0 {
		httpx.Problem(w, r, http.StatusNotFound, fmt.Sprintf("there is no silence %.80q", r.PathValue("id")))
		return
	}
	httpx.JSON(w, http.StatusOK, found[0])
}

// why is the cause of an error, "" when there is none.
func why(err error) string {
	if err == nil {
		return ""
	}
	return ": " + clip(err.Error())
}

func clip(s string) string { return words.Clip(s, 200) }
