package batch

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// scheduleAnswer is the answer of GET /reports/schedules.
type scheduleAnswer struct {
	ETag      string           `json:"etag"`
	UpdatedAt *time.Time       `json:"updated_at"` // when the API last said something; null = never
	Timezone  string           `json:"timezone"`   // of the crons
	Mail      bool             `json:"mail"`       // a mail server is set up, and mail is switched on
	Schedules []reportSchedule `json:"schedules"`
}

// scheduleRequest is the body of PUT /reports/schedules.
type scheduleRequest struct {
	Schedules []reportSchedule `json:"schedules"`
}

func (s *Service) mountSchedules(m *httpx.Mux) {
	m.HandleFunc("GET /reports/schedules", s.getSchedules, httpx.Doc("Which reports are made by themselves, and who gets them by mail, in which formats and when: what the configuration says, or of a kind what was put here."),
		httpx.Answer("200", "Every kind that is ever due. The ETag is that of everything.", scheduleAnswer{}), httpx.Answer("304", "It is as If-None-Match says."))
	m.HandleFunc("PUT /reports/schedules", s.putSchedules, httpx.Doc("Says it of the kinds that are named; of the others, and of those with the origin configuration, the configuration says it again. Made are reports when their period is over, and mailed at the next time of their schedule (a cron of five fields), at once when it is empty."),
		httpx.BodyOf(scheduleRequest{}), httpx.Header("If-Match", "The ETag that it must still have."), httpx.Answer("200", "What holds from now on.", scheduleAnswer{}),
		httpx.Answer("412", "Somebody else has changed it since: get it again."), httpx.Answer("422", "Something cannot be used, and nothing is changed; errors says what."))
}

func (s *Service) getSchedules(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	if q.only(); q.refused(w, r) {
		return
	}
	p, err := s.reports.schedules(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if etag := p.etag(); r.Header.Get("If-None-Match") != "" && matches(r.Header.Values("If-None-Match"), etag) {
		w.Header().Set("ETag", etag)
		w.WriteHeader(http.StatusNotModified)
		return
	}
	s.showSchedules(w, p)
}

func (s *Service) showSchedules(w http.ResponseWriter, p *schedules) {
	a := scheduleAnswer{ETag: p.etag(), Timezone: s.cfg().Processing.Timezone, Mail: s.reports.courier.mails(), Schedules: p.list}
	if !p.saved.IsZero() {
		a.UpdatedAt = new(p.saved.UTC())
	}
	w.Header().Set("ETag", a.ETag)
	httpx.JSON(w, http.StatusOK, a)
}

// matches tells whether a list of entity tags names one, or any.
func matches(headers []string, etag string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(headers, ","), ","), func(t string) bool {
		t = strings.TrimPrefix(strings.TrimSpace(t), "W/")
		return t == "*" || t == etag
	})
}

func (s *Service) putSchedules(w http.ResponseWriter, r *http.Request) {
	var req scheduleRequest
	if bad := httpx.DecodeBody(w, r, maxReportBody, &req, httpx.Strict); bad != nil {
		bad.Answer(w, r)
		return
	}
	if req.Schedules == nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "schedules: it is missing; an empty list leaves everything to the configuration", httpx.FieldError{Pointer: "/schedules", Code: "required", Detail: "it is missing"})
		return
	}
	said, faults := s.cfg().checkSchedules(req.Schedules)
	if len(faults) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, fmt.Sprintf("nothing is changed: %s: %s", faults[0].Pointer, faults[0].Detail), faults...)
		return
	}
	was, err := s.reports.schedules(r.Context())
	if err != nil && !errors.Is(err, errSchedules) {
		s.fail(w, r, err)
		return
	}
	conditions := r.Header.Values("If-Match")
	taken := len(conditions) == 0 || matches(conditions, was.etag())
	if err = nil; taken {
		taken, err = s.reports.save(r.Context(), was, said)
	}
	switch {
	case err != nil:
		s.fail(w, r, err)
	case !taken:
		httpx.Problem(w, r, http.StatusPreconditionFailed, "the schedules are others now; GET /reports/schedules and change those")
	default:
		s.log.Info("report schedules changed", "kinds", len(said))
		httpx.Changed(r.Context(), was.list, said)
		now, err := s.reports.schedules(r.Context())
		if err != nil {
			s.fail(w, r, err)
			return
		}
		httpx.Changed(r.Context(), was.list, now.list)
		s.showSchedules(w, now)
	}
}
