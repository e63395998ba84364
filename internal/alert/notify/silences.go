package notify

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

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
	out, now := []silence{}, s.o.Clock.Now()
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
		httpx.JSON(w, http.StatusCreated, silence{*made, silenceStatus{made.State(s.o.Clock.Now())}})
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
	now := s.o.Clock.Now().UTC()
	if at, err := in.Check(); err != nil {
		httpx.Wrong("/"+at, "wrong", err.Error()).Answer(w, r)
		return nil, false
	}
	switch apart := s.o.Clock.Apart(); { // people go by the clock on the wall, and the silence lasts at least until their time
	case apart < 0:
		in.StartsAt = in.StartsAt.Add(apart)
	case apart > 0:
		in.EndsAt = in.EndsAt.Add(apart)
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
	before := old
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
	httpx.Changed(r.Context(), before, in)
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
		now := s.o.Clock.Now().UTC()
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
		if docs := ended(found, now); docs == nil {
			httpx.Unchanged(r.Context())
		} else {
			if !s.saved(w, r, docs...) {
				return
			}
			httpx.Changed(r.Context(), found, json.RawMessage(docs[0].Body))
			s.log.Info("silence ended", "id", found.ID, "by", httpx.From(r))
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
