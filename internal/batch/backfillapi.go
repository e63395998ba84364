package batch

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// backfillBody is the body of POST /dags/{id}/backfill.
type backfillBody struct {
	From          moment          `json:"from"`
	To            moment          `json:"to"`
	Reprocess     string          `json:"reprocess"`
	DryRun        bool            `json:"dry_run"`
	Backwards     bool            `json:"run_backwards"`
	MaxActiveRuns int             `json:"max_active_runs"`
	Conf          json.RawMessage `json:"conf"`
}

// moment is an RFC 3339 time, or a date for its midnight in UTC.
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(b []byte) error {
	if t, err := time.Parse(`"`+time.DateOnly+`"`, string(b)); err == nil {
		m.Time = t
		return nil
	}
	return m.Time.UnmarshalJSON(b)
}

func (s *Service) postBackfill(w http.ResponseWriter, r *http.Request) {
	d := s.dagOr404(w, r)
	if d == nil {
		return
	}
	var body backfillBody
	if !readBody(w, r, &body, httpx.Strict) {
		return
	}
	req := agg.BackfillRequest{DagID: d.id, From: body.From.Time, To: body.To.Time, Reprocess: body.Reprocess, Backwards: body.Backwards,
		MaxActiveRuns: body.MaxActiveRuns, Conf: body.Conf, TriggeredBy: "rest_api"}
	if body.DryRun {
		httpx.Unchanged(r.Context())
		plan, err := s.PlanBackfill(r.Context(), req)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		httpx.JSON(w, http.StatusOK, plan)
		return
	}
	b, err := s.CreateBackfill(r.Context(), req)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), nil, b.Standing())
	w.Header().Set("Location", "/backfills/"+strconv.FormatInt(b.ID, 10))
	httpx.JSON(w, http.StatusAccepted, b)
}

func (s *Service) getBackfills(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("dag_id", "limit", "cursor")
	q.onePage()
	limit := q.limit()
	if q.refused(w, r) {
		return
	}
	all, err := s.Backfills(r.Context(), q.values.Get("dag_id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if all == nil {
		all = []agg.Backfill{}
	}
	httpx.JSON(w, http.StatusOK, backfillList{Backfills: all[:min(limit, len(all))]})
}

// backfillID reads the id of the path.
func backfillID(w http.ResponseWriter, r *http.Request) (id int64, ok bool) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		httpx.Problem(w, r, http.StatusNotFound, "there is no backfill "+strconv.Quote(r.PathValue("id"))+"; their ids are numbers")
	}
	return id, err == nil
}

func (s *Service) getBackfill(w http.ResponseWriter, r *http.Request) {
	if id, ok := backfillID(w, r); ok {
		b, err := s.Backfill(r.Context(), id)
		s.answerBackfill(w, r, http.StatusOK, b, err)
	}
}

func (s *Service) answerBackfill(w http.ResponseWriter, r *http.Request, status int, b agg.Backfill, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, status, b)
}

func (s *Service) postBackfillCancel(w http.ResponseWriter, r *http.Request) {
	s.changeBackfill(w, r, http.StatusAccepted, s.CancelBackfill)
}

func (s *Service) postBackfillPause(paused bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.changeBackfill(w, r, http.StatusOK, func(ctx context.Context, id int64) (agg.Backfill, error) { return s.PauseBackfill(ctx, id, paused) })
	}
}

// changeBackfill does something with the backfill of the path and says so for the audit.
func (s *Service) changeBackfill(w http.ResponseWriter, r *http.Request, status int, change func(context.Context, int64) (agg.Backfill, error)) {
	id, ok := backfillID(w, r)
	if !ok {
		return
	}
	before, err := s.Backfill(r.Context(), id)
	b := before
	if err == nil {
		b, err = change(r.Context(), id)
	}
	if err == nil {
		httpx.Changed(r.Context(), before.Standing(), b.Standing())
	}
	s.answerBackfill(w, r, status, b, err)
}
