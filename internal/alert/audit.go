package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/respond"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// auditList is a page of the audit log. The records stand as they were written, so that anybody can prove their hashes.
type auditList struct {
	Audit []json.RawMessage `json:"audit"`
	Next  *string           `json:"next_cursor"`
}

// Verdict is what a proof of the audit log found.
type Verdict struct {
	Valid   bool            `json:"valid"`
	Records int             `json:"records"` // that are chained
	Head    *string         `json:"head"`    // hash of the last one; keep it elsewhere to notice a log that was cut or replaced
	Late    int             `json:"late"`    // records of writers that another one outran; they do not count
	Faults  []respond.Fault `json:"faults"`  // the first 100 places at which the log is not as it was written
}

// auditLimit bounds a question that reads the log.
const auditLimit = 30 * time.Second

// reading lets a few questions read the log at the same time. It is false when the asker is gone.
func (s *Service) reading(r *http.Request) (context.Context, func(), bool) {
	ctx, stop := context.WithTimeout(r.Context(), auditLimit)
	select {
	case s.reads <- struct{}{}:
		return ctx, func() { <-s.reads; stop() }, true
	case <-ctx.Done():
		stop()
		return nil, nil, false
	}
}

func (s *Service) getAudit(w http.ResponseWriter, r *http.Request) {
	limit, from, bad := paging(r.URL.Query())
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	ctx, done, ok := s.reading(r)
	if !ok {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "too many read the audit log now")
		return
	}
	defer done()
	passed := s.passed()
	out, more := auditList{Audit: []json.RawMessage{}}, false
	next, err := s.journal.Scan(ctx, from, func(offset int64, value []byte) bool {
		if _, void := slices.BinarySearch(passed, offset); void {
			return true
		}
		if more = len(out.Audit) == limit; !more {
			out.Audit = append(out.Audit, slices.Clone(value))
		}
		return !more
	})
	if err != nil {
		s.failed(w, r, err)
		return
	}
	if more {
		out.Next = cursor(next)
	}
	httpx.JSON(w, http.StatusOK, out)
}

// passed are the offsets of records that do not count, in order: they came too late, or cannot be read.
func (s *Service) passed() (out []int64) {
	s.machine.Look(func(b *respond.Book) {
		out = slices.Concat(b.Races(), b.Unreadable())
	})
	slices.Sort(out)
	return out
}

func (s *Service) getVerdict(w http.ResponseWriter, r *http.Request) {
	ctx, done, ok := s.reading(r)
	if !ok {
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, "too many read the audit log now")
		return
	}
	defer done()
	b := respond.NewBook(s.cfg.limits())
	if _, err := s.journal.Scan(ctx, 0, func(offset int64, value []byte) bool {
		b.Apply(offset, value)
		return true
	}); err != nil {
		s.failed(w, r, err)
		return
	}
	faults, n := b.Faults()
	httpx.JSON(w, http.StatusOK, Verdict{n == 0, b.Records(), orNull(b.Head()), len(b.Races()), append([]respond.Fault{}, faults...)})
}

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
