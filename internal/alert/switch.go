package alert

import (
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Switch is the kill switch as GET /responses/kill-switch shows it.
type Switch struct {
	On     bool       `json:"on"`     // by any of its sources
	Reason string     `json:"reason"` // "" when it is off and never was on
	By     string     `json:"by"`
	At     *time.Time `json:"at"` // of the last change over the API
	API    bool       `json:"api"`
	File   bool       `json:"file"`
	Config bool       `json:"config"`
}

func (s *Service) switchState() Switch {
	var k respond.Switch
	s.machine.Look(func(b *respond.Book) { k = b.Switch() })
	file, _ := s.fileSwitch()
	off := s.off.Load()
	out := Switch{On: k.On || file || off, Reason: k.Reason, By: k.Who, At: orNull(k.At), API: k.On, File: file, Config: off}
	if why := s.killed(); why != "" {
		out.Reason = why
	}
	return out
}

func (s *Service) getSwitch(w http.ResponseWriter, _ *http.Request) {
	httpx.JSON(w, http.StatusOK, s.switchState())
}

type switchWish struct {
	On     *bool  `json:"on"`
	Reason string `json:"reason"`
	By     string `json:"by"`
}

func (s *Service) putSwitch(w http.ResponseWriter, r *http.Request) {
	var wish switchWish
	if !readBody(w, r, &wish, httpx.Lenient) {
		return
	}
	if wish.On == nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "on is missing; write {\"on\": true, \"reason\": \"…\"}", httpx.FieldError{Pointer: "/on", Code: "required", Detail: "on is missing"})
		return
	}
	before := s.switchState()
	if err := s.machine.SetSwitch(r.Context(), *wish.On, who(r, wish.By), wish.Reason); err != nil {
		s.failed(w, r, err)
		return
	}
	after := s.switchState()
	httpx.Changed(r.Context(), before, after)
	httpx.JSON(w, http.StatusOK, after)
}
