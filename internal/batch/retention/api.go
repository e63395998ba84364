package retention

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// answerWithin is how long an answer waits for a plan to be carried out before it says where the end will be told.
const answerWithin = 10 * time.Second

type holdList struct {
	Holds []event.Hold `json:"holds"`
}

// anyPlan describes what a plan and a restore have in common.
var anyPlan = httpx.Schema{"type": "object", "required": []string{"plan_id", "kind", "state", "dry_run", "created_at", "totals"}, "properties": map[string]any{
	"plan_id": httpx.Schema{"type": "string"}, "kind": httpx.OneOf("cleanup", "restore"), "dry_run": httpx.Schema{"type": "boolean"},
	"state": httpx.OneOf(Planned, Running, Done, Failed), "created_at": httpx.Time(), "totals": httpx.Schema{"type": "object"}}}

// Mount adds the retention part of :9101 to a mux.
func (s *Service) Mount(m *httpx.Mux) {
	none := httpx.Answer("404", "There is nothing with this name.")
	bad := httpx.Answer("422", "The body cannot be used; errors says which part of it.")
	m.HandleFunc("POST /retention/cleanup", s.postCleanup, httpx.NoBodyNeeded(), httpx.Doc("Lets old data go. Body: {\"dry_run\", \"force\"}, both false when not given. Answers with the plan."), httpx.Body("application/json"),
		httpx.Answer("200", "The plan: it is carried out, refused, or was a dry run.", Plan{}), httpx.Answer("202", "It takes longer; Location names the plan.", Plan{}),
		httpx.Answer("409", "Another plan is being carried out."), bad)
	m.HandleFunc("GET /retention/plans", s.getPlans, httpx.Doc("Plans and restores without their items, newest first."), httpx.Query("limit", "How many, 1 to 1000; 100 when not given."),
		httpx.Answer("200", "The plans.", httpx.Schema{"type": "object", "required": []string{"plans"}, "properties": map[string]any{"plans": httpx.Schema{"type": "array", "items": anyPlan}}}))
	m.HandleFunc("GET /retention/plans/{id}", s.getPlan, httpx.Doc("A plan or a restore, with its state: planned, running, done or failed."), httpx.Answer("200", "The plan or the restore.", anyPlan), httpx.Answer("202", "It is being carried out.", anyPlan), none)
	m.HandleFunc("POST /retention/restore", s.postRestore, httpx.Doc("Brings back what a plan let go. Body: {\"archive\": id of the plan, \"dry_run\"}."), httpx.Body("application/json"),
		httpx.Answer("200", "What came back, or would.", Restore{}), httpx.Answer("202", "It takes longer; Location names it.", Restore{}), none, bad)
	m.HandleFunc("POST /retention/verify", s.postVerify, httpx.ChangesNothing(), httpx.Doc("Reads every file of the archive again and follows the chain of its manifest."), httpx.Answer("200", "What was found.", Verified{}))
	m.HandleFunc("GET /retention/holds", s.getHolds, httpx.Doc("The legal holds."), httpx.Answer("200", "The holds.", holdList{}))
	m.HandleFunc("GET /retention/holds/{name}", s.getHold, httpx.Doc("A legal hold."), httpx.Answer("200", "The hold.", event.Hold{}), none)
	m.HandleFunc("PUT /retention/holds/{name}", s.putHold, httpx.Doc("Keeps everything of a class (raw, aggregated, reports) whose period touches [from, to), whatever its age, until the hold is lifted."),
		httpx.Body("application/json"), httpx.Answer("200", "The hold as it is now.", event.Hold{}), bad)
	m.HandleFunc("DELETE /retention/holds/{name}", s.deleteHold, httpx.Doc("Lifts a legal hold."), httpx.Answer("204", "It is lifted."), none)
}

func (s *Service) postCleanup(w http.ResponseWriter, r *http.Request) {
	var req struct {
		DryRun bool `json:"dry_run"`
		Force  bool `json:"force"`
	}
	if !readBody(w, r, &req) {
		return
	}
	if !req.DryRun {
		under, err := s.deps.Plans.Plans(r.Context(), Running, 1)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		if len(under) > 0 {
			w.Header().Set("Location", "/retention/plans/"+under[0].ID)
			httpx.Problem(w, r, http.StatusConflict, "the plan "+under[0].ID+" is being carried out; wait for its end")
			return
		}
	}
	p, err := s.draft(r.Context(), Order{DryRun: req.DryRun, Force: req.Force})
	var done <-chan struct{}
	if err == nil {
		done, _, err = s.start(r.Context(), p)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, p.ID, done)
}

// answer waits for a plan to end, though not for long, and shows it.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, id string, done <-chan struct{}) {
	httpx.Changed(r.Context(), nil, map[string]any{"id": id}) // whether it can be shown or not
	if done != nil {
		select {
		case <-done:
		case <-time.After(answerWithin):
		case <-httpx.Draining(r.Context()):
		case <-r.Context().Done(): // nobody listens; the plan is carried out all the same
		}
	}
	p, err := s.deps.Plans.Plan(context.WithoutCancel(r.Context()), id)
	var said map[string]any
	if err == nil {
		said, err = brief(&p)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), nil, said)
	status := http.StatusOK
	if p.State == Running {
		status = http.StatusAccepted
		w.Header().Set("Location", "/retention/plans/"+id)
	}
	httpx.JSON(w, status, json.RawMessage(p.Document))
}

func (s *Service) getPlans(w http.ResponseWriter, r *http.Request) {
	limit := 100
	if text := r.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1000 {
			unusable(w, r, "limit", "out_of_range", strconv.Quote(text)+" is not a number from 1 to 1000")
			return
		}
		limit = n
	}
	plans, err := s.deps.Plans.Plans(r.Context(), "", limit)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := make([]map[string]any, 0, len(plans))
	for i := range plans {
		doc, err := brief(&plans[i])
		if err != nil {
			s.fail(w, r, err)
			return
		}
		out = append(out, doc)
	}
	httpx.JSON(w, http.StatusOK, map[string]any{"plans": out})
}

// brief is a plan or a restore without its items.
func brief(p *event.RetentionPlan) (doc map[string]any, err error) {
	err = json.Unmarshal(p.Document, &doc)
	delete(doc, "items")
	return doc, err
}

func (s *Service) getPlan(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, r.PathValue("id"), nil)
}

func (s *Service) postRestore(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Archive string `json:"archive"`
		DryRun  bool   `json:"dry_run"`
	}
	if !readBody(w, r, &req) {
		return
	}
	if req.Archive == "" {
		unusable(w, r, "/archive", "required", "name the plan whose objects are to come back; GET /retention/plans lists them")
		return
	}
	p, err := s.deps.Plans.Plan(r.Context(), req.Archive)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if p.Kind != "cleanup" {
		unusable(w, r, "/archive", "unknown_value", req.Archive+" is a restore; name the plan that let the data go")
		return
	}
	var of Plan
	if err := json.Unmarshal(p.Document, &of); err != nil {
		s.fail(w, r, err)
		return
	}
	if of.DryRun {
		unusable(w, r, "/archive", "unknown_value", req.Archive+" was a dry run, nothing left by it; name the plan that let the data go")
		return
	}
	restore, err := s.draftRestore(r.Context(), req.Archive, req.DryRun)
	var done <-chan struct{}
	if err == nil {
		done, err = s.startRestore(r.Context(), restore)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, restore.ID, done)
}

// Verified is the answer of POST /retention/verify.
type Verified struct {
	Checked int                  `json:"checked"` // lines of the manifest
	OK      int                  `json:"ok"`
	Bad     []event.ArchiveFault `json:"bad"`
}

// Verify reads the archive again, and holds its manifest to what the database says was copied there.
func (s *Service) Verify(ctx context.Context) (*Verified, error) {
	entries, bad, err := s.deps.Archive.Verify(ctx)
	if err != nil {
		return nil, err
	}
	copies, err := s.deps.Retired.Copies(ctx)
	if err != nil {
		return nil, err
	}
	named := make(map[[2]string]bool, len(entries))
	wrong := map[string]bool{}
	for _, e := range entries {
		named[[2]string{e.Path, e.SHA256}] = true
	}
	for i := range copies {
		if c := &copies[i]; !named[[2]string{c.Copy, c.SHA256}] {
			named[[2]string{c.Copy, c.SHA256}] = true
			bad = append(bad, event.ArchiveFault{Path: c.Copy, Reason: "the manifest does not name it, though plan " + c.Plan + " copied it there"})
		}
	}
	for _, b := range bad {
		wrong[b.Path] = true
	}
	v := &Verified{Checked: len(entries), Bad: append([]event.ArchiveFault{}, bad...)}
	for i, e := range entries {
		if !wrong[e.Path] && !wrong["manifest.jsonl:"+strconv.Itoa(i+1)] {
			v.OK++
		}
	}
	return v, nil
}

func (s *Service) postVerify(w http.ResponseWriter, r *http.Request) {
	v, err := s.Verify(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(v.Bad) > 0 {
		s.log.Error("the archive is damaged", "checked", v.Checked, "bad", len(v.Bad), "first", v.Bad[0].Path, "reason", v.Bad[0].Reason)
	}
	httpx.JSON(w, http.StatusOK, v)
}

func (s *Service) getHolds(w http.ResponseWriter, r *http.Request) {
	holds, err := s.deps.Plans.Holds(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, holdList{append([]event.Hold{}, holds...)})
}

func (s *Service) getHold(w http.ResponseWriter, r *http.Request) {
	h, err := s.deps.Plans.Hold(r.Context(), r.PathValue("name"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, h)
}

var holdName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func (s *Service) putHold(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Class  string `json:"class"`
		From   string `json:"from"`
		To     string `json:"to"`
		Reason string `json:"reason"`
	}
	if !readBody(w, r, &req) {
		return
	}
	h := event.Hold{Name: r.PathValue("name"), Class: req.Class, Reason: strings.TrimSpace(req.Reason)}
	var errs []httpx.FieldError
	wrong := func(pointer, code, detail string) {
		errs = append(errs, httpx.FieldError{Pointer: pointer, Code: code, Detail: detail})
	}
	if !holdName.MatchString(h.Name) {
		wrong("name", "bad_name", "a name has letters, digits, dots, dashes and underscores, at most 100")
	}
	if !slices.Contains(event.Classes, h.Class) {
		wrong("/class", "unknown_value", strconv.Quote(h.Class)+" is not one of "+strings.Join(event.Classes, ", "))
	}
	for name, t := range map[string]struct {
		text string
		to   *time.Time
	}{"/from": {req.From, &h.From}, "/to": {req.To, &h.To}} {
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			wrong(name, "bad_timestamp", strconv.Quote(t.text)+" is not an RFC 3339 time such as 2026-03-01T00:00:00Z")
		}
		*t.to = at.UTC()
	}
	if len(errs) == 0 && !h.From.Before(h.To) {
		wrong("/to", "bad_interval", "to is not after from: the hold would keep nothing")
	}
	if h.Reason == "" {
		wrong("/reason", "required", "say why, for whoever wants to lift the hold")
	}
	if len(errs) > 0 {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the hold cannot be set: "+errs[0].Detail, errs...)
		return
	}
	before, err := s.hold(r.Context(), h.Name)
	if err == nil {
		h, err = s.deps.Plans.PutHold(r.Context(), h)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), before, h)
	s.log.Info("legal hold set", "hold", h.Name, "class", h.Class, "from", h.From, "to", h.To, "reason", h.Reason)
	httpx.JSON(w, http.StatusOK, h)
}

// hold is the hold of a name, nil when there is none.
func (s *Service) hold(ctx context.Context, name string) (*event.Hold, error) {
	h, err := s.deps.Plans.Hold(ctx, name)
	if errors.Is(err, s.deps.NotFound) {
		return nil, nil
	}
	return &h, err
}

func (s *Service) deleteHold(w http.ResponseWriter, r *http.Request) {
	before, err := s.hold(r.Context(), r.PathValue("name"))
	if err == nil {
		err = s.deps.Plans.DeleteHold(r.Context(), r.PathValue("name"))
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), before, nil)
	s.log.Info("legal hold lifted", "hold", r.PathValue("name"))
	w.WriteHeader(http.StatusNoContent)
}

const maxBody = 64 << 10

// readBody reads a JSON object; an empty body changes nothing.
func readBody(w http.ResponseWriter, r *http.Request, v any) bool {
	bad := httpx.DecodeBody(w, r, maxBody, v, httpx.Optional)
	if bad != nil {
		bad.Answer(w, r)
	}
	return bad == nil
}

func unusable(w http.ResponseWriter, r *http.Request, pointer, code, detail string) {
	httpx.Problem(w, r, http.StatusUnprocessableEntity, "the request cannot be used: "+detail, httpx.FieldError{Pointer: pointer, Code: code, Detail: detail})
}

// fail answers for an error of what lies below.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, s.deps.NotFound):
		httpx.Problem(w, r, http.StatusNotFound, "there is nothing with this name")
	case r.Context().Err() != nil: // nobody listens
	case httpx.FullDisk(w, r, err):
		s.log.Error("request failed", "path", r.URL.Path, "err", err)
	default:
		s.log.Error("request failed", "path", r.URL.Path, "err", err)
		httpx.Problem(w, r, http.StatusInternalServerError, "the request could not be answered; the log of the service says why")
	}
}
