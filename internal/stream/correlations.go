package stream

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/auth"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/stream/join"
)

type correlationsAnswer struct {
	WindowSeconds float64           `json:"window_seconds"`
	Completeness  tierCompleteness  `json:"completeness"`
	Summary       correlationCounts `json:"summary"`
	Correlations  []*join.View      `json:"correlations"`
	Patterns      []pattern         `json:"patterns"` // of rules of type sequence
	Stored        *searched         `json:"stored,omitempty"`
	Note          string            `json:"note,omitempty"`
	NextCursor    *string           `json:"next_cursor"`
}

// tierCompleteness is the share of the requests closed so far that are complete: when they were closed, and with what came later. Batch is
// that of the requests of stored hours, each joined by the rows of its hour.
type tierCompleteness struct {
	Live  *float64 `json:"live"`
	Stub  *float64 `json:"stub"`
	Batch *float64 `json:"batch"`
}

type correlationCounts struct {
	Open         int64 `json:"open"`
	Complete     int64 `json:"complete"`
	Partial      int64 `json:"partial"`
	WithFeedback int64 `json:"with_feedback"`
	WithBusiness int64 `json:"with_business"`
}

func (c *correlationCounts) add(i *join.Item) {
	switch i.Status {
	case join.StatusOpen:
		c.Open++
	case join.StatusComplete:
		c.Complete++
	default:
		c.Partial++
	}
	if i.Feedback {
		c.WithFeedback++
	}
	if i.Business {
		c.WithBusiness++
	}
}

// correlationQuery is a parsed query of GET /correlations.
type correlationQuery struct {
	id     string
	filter join.Filter
	limit  int
	after  *spot // the page begins behind it
	chosen *chosen
	bound  string // the tenant that who asks is bound to; "" = none
}

// spot is the place of a request in the list: newest first, by the arrival of the first part.
type spot struct {
	first int64
	key   [2]uint64
}

func (a spot) compare(b spot) int {
	return cmp.Or(cmp.Compare(b.first, a.first), cmp.Compare(a.key[0], b.key[0]), cmp.Compare(a.key[1], b.key[1]))
}

func (a spot) cursor() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(a.first))
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, a.key[0]), a.key[1]))
}

func parseCorrelationQuery(v url.Values) (q correlationQuery, bad []httpx.FieldError) {
	p := params{Values: v}
	q.id, q.filter.Model, q.filter.Status = p.Get("request_id"), p.Get("model"), p.Get("status")
	if s := q.filter.Status; p.Has("status") && !slices.Contains(correlationStatuses, s) {
		p.refuse("status", "status=%q: give open, complete or partial", clip(s))
	}
	if t, ok := p.moment("since"); ok {
		q.filter.Since = t.UnixMicro()
	}
	c, needed := p.chosen()
	if q.chosen = &c; needed {
		q.filter.Request = c.take
	}
	q.limit = int(p.whole("limit", "a number", 1, 1000, 100))
	if v := p.Get("cursor"); v != "" {
		raw, err := base64.RawURLEncoding.DecodeString(v)
		if err != nil || len(raw) != 24 {
			p.refuse("cursor", "cursor=%q: give the next_cursor of the page before", clip(v))
		} else {
			q.after = &spot{int64(binary.BigEndian.Uint64(raw)), [2]uint64{binary.BigEndian.Uint64(raw[8:]), binary.BigEndian.Uint64(raw[16:])}}
		}
	}
	return q, p.bad
}

var correlationStatuses = []string{join.StatusOpen, join.StatusComplete, join.StatusPartial}

func (s *Service) getCorrelations(w http.ResponseWriter, r *http.Request, beside Beside) {
	q, bad := parseCorrelationQuery(r.URL.Query())
	if len(bad) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, bad[0].Detail, bad...)
		return
	}
	q.bound = auth.Tenant(r.Context())
	a := correlationsAnswer{WindowSeconds: s.cfg.CorrelationWindow.Seconds(), Correlations: []*join.View{}, Patterns: s.patterns(beside.Alerts, &q)}
	if !s.cfg.Correlation {
		a.Note = noteUnjoined
	}
	if q.bound == "" { // it is of all tenants together
		a.Completeness = s.completeness(r.Context(), beside.Stored, &q)
	}
	var page []found
	if q.id != "" {
		page = s.lookUp(&q, &a.Summary)
	} else {
		var err error
		if page, err = s.search(r.Context(), &q, &a.Summary); err != nil {
			if r.Context().Err() == nil { // somebody is there to hear it
				httpx.Unavailable(w, r, http.StatusServiceUnavailable, searchWait, err.Error())
			}
			return
		}
	}
	if len(page) > q.limit {
		page = page[:q.limit]
		if q.chosen.order == orderNewest {
			a.NextCursor = new(page[q.limit-1].cursor())
		}
	}
	for _, f := range page {
		v, err := f.lane.joins.view(f.key, q.bound)
		if err != nil {
			s.log.Error("joined record cannot be shown", "error", err)
		} else if v != nil {
			a.Correlations = append(a.Correlations, v)
		}
	}
	if q.id != "" && a.Summary == (correlationCounts{}) && beside.Stored != nil && q.filter.Status != join.StatusOpen {
		a.addStored(s.atRest(r.Context(), httpx.From(r), beside.Stored, &q, time.Now()))
	}
	httpx.JSON(w, http.StatusOK, a)
}

func (s *Service) completeness(ctx context.Context, stored Stored, q *correlationQuery) (c tierCompleteness) {
	if t := s.joinStats(); t.Closed > 0 {
		c.Live = new(float64(t.CompleteLive) / float64(t.Closed))
		c.Stub = new(float64(t.CompleteLive+t.CompleteStub) / float64(t.Closed))
	}
	c.Batch = s.joinedAtRest(ctx, stored, q, time.Now())
	return c
}

const noteUnjoined = "requests are not joined as they come, because event_processing.correlation is off; one that is asked for by request_id is joined out of the hours at rest"

// addStored shows what the hours at rest have of the request that was asked for.
func (a *correlationsAnswer) addStored(v *join.View, look *searched) {
	if a.Stored = look; v == nil {
		return
	}
	a.Correlations = append(a.Correlations, v)
	a.Summary.add(&join.Item{Status: v.Status, Feedback: len(v.Feedback) > 0, Business: len(v.Business) > 0})
}

// found is a request of the answer.
type found struct {
	spot
	lane *lane
	size int64 // of the measure that is asked for
}

// tables are the lanes that join.
func (s *Service) tables() []*lane {
	return slices.DeleteFunc(slices.Clone(s.allLanes()), func(l *lane) bool { return !l.joins.works() })
}

// lookUp finds one request by its id.
func (s *Service) lookUp(q *correlationQuery, sum *correlationCounts) (out []found) {
	for _, l := range s.tables() {
		if event.JoinNumber(q.id, l.joins.of) != l.joins.number {
			continue
		}
		l.joins.lock()
		l.joins.table.ScanOne(event.JoinKey(q.id), q.filter, func(i join.Item) {
			sum.add(&i)
			if at := (spot{i.First, i.Key}); q.after == nil || q.after.compare(at) < 0 {
				out = append(out, found{at, l, 0})
			}
		})
		l.joins.unlock()
	}
	return out
}

// scanChunk is how many requests are looked at while a lane waits.
const scanChunk = 4096

// scansAtOnce is how many may look at what requests themselves say: each reads all that is remembered, and lanes wait meanwhile.
const scansAtOnce = 3

var errManyScans = errors.New("too many look through the remembered requests at once; ask again")

// scanPlace waits for a place among those who look at what requests say, and returns what gives it back.
func (s *Service) scanPlace(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(searchWait)
	defer timer.Stop()
	select {
	case s.scans <- struct{}{}:
		return func() { <-s.scans }, nil
	case <-timer.C:
		return nil, errManyScans
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// search finds one more than a page of what the query chooses, in its order, and counts all of it. It ends with ctx.
func (s *Service) search(ctx context.Context, q *correlationQuery, sum *correlationCounts) (out []found, err error) {
	if q.filter.Request != nil || q.filter.Model != "" {
		leave, err := s.scanPlace(ctx)
		if err != nil {
			return nil, err
		}
		defer leave()
	}
	most := q.limit + 1
	trim := func() {
		sorting.By(out, q.chosen.compare)
		out = out[:min(len(out), most)]
	}
	for _, l := range s.tables() {
		l.joins.lock()
		from, to := l.joins.table.Bounds()
		l.joins.unlock()
		for ; from < to && ctx.Err() == nil; from += scanChunk {
			l.joins.lock()
			l.joins.table.Scan(from, min(to, from+scanChunk), q.filter, func(i join.Item) {
				sum.add(&i)
				if at := (spot{i.First, i.Key}); q.after == nil || q.after.compare(at) < 0 {
					out = append(out, found{at, l, q.chosen.size})
				}
			})
			l.joins.unlock()
			if len(out) > 4*most {
				trim()
			}
		}
	}
	trim()
	return out, ctx.Err()
}

// view is what is shown of a request, to a tenant alone unless it is "", nil when it was forgotten in between.
func (j *joins) view(key [2]uint64, tenant string) (*join.View, error) {
	j.lock()
	b := j.table.Get(key)
	j.unlock()
	if b == nil {
		return nil, nil
	}
	var r join.Record
	if rest, err := r.Read(b); err != nil || len(rest) > 0 {
		return nil, errors.Join(join.ErrRecord, err)
	}
	if tenant != "" {
		var mine bool
		if r, mine = r.Only(tenant); !mine {
			return nil, nil
		}
	}
	return r.View()
}

// joinStats adds up what all tables count.
func (s *Service) joinStats() (sum join.Stats) {
	for _, l := range s.tables() {
		l.joins.lock()
		sum.Add(&l.joins.table.Stats)
		l.joins.unlock()
	}
	return sum
}

// joinMemory is what all tables take.
func (s *Service) joinMemory() (sum int64) {
	for _, l := range s.tables() {
		l.joins.lock()
		sum += l.joins.table.Memory()
		l.joins.unlock()
	}
	return sum
}

func mountCorrelations(s *Service, m *httpx.Mux, beside Beside) {
	m.HandleFunc("GET /correlations", func(w http.ResponseWriter, r *http.Request) { s.getCorrelations(w, r, beside) },
		append(chosenOptions(), httpx.TenantIn("tenant"), httpx.Doc("Requests joined with their feedback and business events, newest first; on the first page also the patterns: what rules of type sequence saw, of the same model or request."), httpx.Paging(),
			httpx.Query("request_id", "only this request; when memory does not know it, it is joined out of the hours at rest that begin since then, or in the last day, and stored says how much of them was looked through"), httpx.Query("model", "only requests of this model"), httpx.Query("status", "open, complete or partial", httpx.OneOf(correlationStatuses...)),
			httpx.Query("since", "RFC 3339; opened, closed or changed then or later"), httpx.Answer("200", "the requests, and numbers of all that the filters match; completeness.live and .stub are of what this process has joined, .batch of the requests of the stored hours of the last day, or since then, each joined by the events of its own hour, null when none is stored; note when event_processing.correlation is off, which leaves the list empty"), httpx.Answer("422", "a parameter is wrong"), httpx.Answer("503", "too many look through the remembered requests at once, see Retry-After"))...)
}
