package erasure

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// answerWithin is how long an answer waits for an erasure to end before it says where the end will be told.
const answerWithin = 10 * time.Second

// maxName is the longest name of a user or tenant that events may have, in bytes.
const maxName = 1024

type recordList struct {
	Erasures []*Record `json:"erasures"` // newest first
}

// Verified is the answer of POST /erasures/verify.
type Verified struct {
	Records  int    `json:"records"` // of the chain
	Chain    string `json:"chain"`   // ok, or what is wrong with it
	About    int    `json:"about"`   // records that are about the name
	LakeRows int64  `json:"lake_rows"`
	SQLRows  int64  `json:"sql_rows"`
	// Erased is true when the name is nowhere that this service can look through.
	Erased bool    `json:"erased"`
	Topics []Topic `json:"topics"`
}

// request names whose data is meant: one of the two.
type request struct {
	UserID string `json:"user_id,omitempty"`
	Tenant string `json:"tenant,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
	// What is allowed on brokers that may serve others.
	Topics     bool `json:"topics,omitempty"`
	PastGroups bool `json:"past_groups,omitempty"`
}

func (q *request) subject() (by, name string, bad *httpx.Fault) {
	switch {
	case (q.UserID == "") == (q.Tenant == ""):
		return "", "", httpx.Wrong("/user_id", "required", "name a user_id or a tenant, one of the two")
	case len(q.UserID)+len(q.Tenant) > maxName:
		return "", "", httpx.Wrong("/user_id", "out_of_range", "no event has a name that long")
	case q.PastGroups && !q.Topics:
		return "", "", httpx.Wrong("/past_groups", "required", "it says how far topics are shortened; say topics as well")
	case q.UserID != "":
		return "user_id", q.UserID, nil
	}
	return "tenant", q.Tenant, nil
}

// Mount adds erasures to a mux.
func (s *Service) Mount(m *httpx.Mux) {
	bad := httpx.Answer("422", "The body cannot be used; errors says which part of it.")
	m.HandleFunc("POST /erasures", s.post, httpx.Doc("Takes out what is stored of a user or a tenant. Body: {\"user_id\"} or {\"tenant\"}, and {\"dry_run\": true} to count only. {\"topics\": true} shortens topics on brokers that may serve others too, {\"past_groups\": true} beyond what their consumer groups have read. Answers with the record."),
		httpx.Body("application/json"), httpx.BodyOf(request{}), httpx.Answer("200", "It has ended: done, partly (left says what is left and what ends it) or failed.", Record{}),
		httpx.Answer("202", "It takes longer; Location names the record.", Record{}), httpx.Answer("409", "Another one is carried out."), bad)
	m.HandleFunc("GET /erasures", s.list, httpx.Doc("The records of erasures, newest first. They hold no names."), httpx.Answer("200", "The records.", recordList{}))
	m.HandleFunc("GET /erasures/{id}", s.get, httpx.Doc("One record."), httpx.Answer("200", "The record.", Record{}), httpx.Answer("404", "There is none with this id."))
	m.HandleFunc("POST /erasures/verify", s.verify, httpx.ChangesNothing(), httpx.Doc("Looks for a user or a tenant everywhere again, and follows the chain of the records. Body: {\"user_id\"} or {\"tenant\"}."),
		httpx.Body("application/json"), httpx.BodyOf(request{}), httpx.Answer("200", "What was found.", Verified{}), bad)
}

// subjectOf reads who is meant; it answers itself when that is not ok.
func subjectOf(w http.ResponseWriter, r *http.Request) (q request, by, name string, ok bool) {
	bad := httpx.DecodeBody(w, r, 64<<10, &q, httpx.Strict)
	if bad == nil {
		by, name, bad = q.subject()
	}
	if bad != nil {
		bad.Answer(w, r)
	}
	return q, by, name, bad == nil
}

func (s *Service) post(w http.ResponseWriter, r *http.Request) {
	q, by, name, ok := subjectOf(w, r)
	if !ok {
		return
	}
	record, done, err := s.start(r.Context(), by, name, Words{q.Topics, q.PastGroups}, q.DryRun)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	under := &Record{ID: record.ID, By: by, Salt: record.Salt, Subject: record.Subject, DryRun: q.DryRun, Allowed: record.Allowed, State: Running, RequestedAt: record.RequestedAt,
		Hours: []event.ErasedHour{}, Topics: []Topic{}, Left: []Left{}} // the record itself is Run's until done
	httpx.Changed(r.Context(), nil, under.noted())
	select {
	case <-done:
		httpx.Changed(r.Context(), nil, record.noted())
		httpx.JSON(w, http.StatusOK, record)
		return
	case <-time.After(answerWithin):
	case <-httpx.Draining(r.Context()):
	case <-r.Context().Done():
		return // nobody listens; it is carried out all the same
	}
	w.Header().Set("Location", "/erasures/"+under.ID)
	httpx.JSON(w, http.StatusAccepted, under)
}

// noted is a record as the audit shows it: its id leads to everything else.
func (r *Record) noted() any {
	return map[string]any{"erasure": r.ID, "by": r.By, "dry_run": r.DryRun, "allowed": r.Allowed, "state": r.State}
}

func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, errBusy) {
		httpx.Problem(w, r, http.StatusConflict, err.Error())
		return
	}
	if r.Context().Err() == nil {
		s.log.Error("an erasure could not be answered", "error", err)
		httpx.Unavailable(w, r, http.StatusServiceUnavailable, time.Second, err.Error())
	}
}

// known are all records, with those that have no end, that under way here, and the last dry run of this process.
func (s *Service) known(ctx context.Context) ([]*Record, error) {
	all, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	open, err := s.begun(ctx, all)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range open {
		if (s.current == nil || r.ID != s.current.ID) && (s.last == nil || r.ID != s.last.ID) {
			r.Error = endless
			all = append(all, r)
		}
	}
	if s.last != nil && (s.last.DryRun || s.last.Hash == "") {
		all = append(all, s.last)
	}
	if s.current != nil {
		all = append(all, s.current)
	}
	return all, err
}

func (s *Service) list(w http.ResponseWriter, r *http.Request) {
	all, err := s.known(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := recordList{Erasures: make([]*Record, 0, len(all))}
	for i := len(all) - 1; i >= 0; i-- {
		out.Erasures = append(out.Erasures, all[i])
	}
	httpx.JSON(w, http.StatusOK, out)
}

func (s *Service) get(w http.ResponseWriter, r *http.Request) {
	all, err := s.known(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, record := range all {
		if record.ID == r.PathValue("id") {
			httpx.JSON(w, http.StatusOK, record)
			return
		}
	}
	httpx.Problem(w, r, http.StatusNotFound, "there is no erasure with this id; GET /erasures lists them")
}

func (s *Service) verify(w http.ResponseWriter, r *http.Request) {
	_, by, name, ok := subjectOf(w, r)
	if !ok {
		return
	}
	v, err := s.look(r.Context(), by, name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, v)
}

// look looks for a name everywhere.
func (s *Service) look(ctx context.Context, by, name string) (*Verified, error) {
	names := s.deps.Names(fields[by], name)
	all, err := s.records(ctx)
	if err != nil {
		return nil, err
	}
	v := &Verified{Records: len(all), Chain: "ok"}
	if wrong := checkChain(all); wrong != "" {
		v.Chain = wrong
	}
	for _, r := range all {
		if r.about(name) {
			v.About++
		}
	}
	hours, err := s.deps.Lake.Erase(ctx, fields[by], names, true, nil)
	if err != nil {
		return nil, err
	}
	for _, h := range hours {
		v.LakeRows += h.Rows
	}
	if v.SQLRows, err = s.deps.Store.CountValues(ctx, by, names); err != nil {
		return nil, err
	}
	if v.Topics, err = s.deps.Topics.Find(ctx, names); err != nil {
		return nil, err
	}
	v.Erased = v.LakeRows == 0 && v.SQLRows == 0
	for _, t := range v.Topics {
		v.Erased = v.Erased && t.Found != nil && *t.Found == 0
	}
	return v, nil
}
