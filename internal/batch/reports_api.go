package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"regexp"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Limits on what a stranger may ask of reports.
const (
	maxReportBody = 64 << 10
	maxMailTo     = 100
	reportWait    = 10 * time.Second // for a report to be done, before the answer says where it will be
	viewLimit     = 30 * time.Second // for a page, with the wait for others that are made
)

func (s *Service) mountReports(m *httpx.Mux, limit, cursor httpx.Option) {
	none := httpx.Answer("404", "There is no such report.")
	m.HandleFunc("POST /reports/generate", s.postReport, httpx.Doc("Makes a report. The same type, format and period is the same report: it is made again, and changes when the data did."),
		httpx.Body("application/json"), httpx.Answer("201", "The report; it is done.", reportJSON{}), httpx.Answer("202", "It takes longer; Location names it.", reportJSON{}),
		httpx.Answer("409", "Reports, or this type or format, are switched off, or the report was deleted while it was made."), httpx.Answer("422", "Type, format, period or options cannot be used; errors says which."),
		httpx.Answer("503", "Try again after Retry-After."))
	m.HandleFunc("GET /reports/list", s.getReports, httpx.Doc("Lists reports, newest first."), httpx.Query("report_type", "Only reports of this type."), limit, cursor, httpx.Answer("200", "The reports.", reportList{}))
	m.HandleFunc("GET /reports/status", s.getReportStatus, httpx.Doc("How many reports there are in each status, and the last of each type."), httpx.Answer("200", "Counts, the last of each type, and what waits.", reportStates{}))
	m.HandleFunc("GET /reports/{id}", s.getReport, httpx.Doc("What is known of a report."), httpx.Answer("200", "The report without its content.", reportJSON{}), none)
	m.HandleFunc("GET /reports/{id}/content", s.getReportContent, httpx.Doc("The document itself."), httpx.Query("inline", "true: for a browser to show, not to keep."), httpx.AnswerAs("200", "application/pdf", ""), httpx.AnswerAs("200", "text/csv", ""), httpx.AnswerAs("200", "application/json", "JSON, CSV or PDF, as it was made."), none)
	m.HandleFunc("GET /reports/{id}/view", s.getReportView, httpx.Doc("The document as a page, with charts as SVG: from the data of now, which may be newer than the file."), httpx.AnswerAs("200", "text/html", ""), none, httpx.Answer("503", "It takes too long now. Try again after Retry-After."))
	m.HandleFunc("DELETE /reports/{id}", s.deleteReport, httpx.Doc("Removes a report and its file."), httpx.Answer("204", "It is gone."), none)
}

func (s *Service) postReport(w http.ResponseWriter, r *http.Request) {
	var req reportRequest
	if bad := httpx.DecodeBody(w, r, maxReportBody, &req, httpx.Strict); bad != nil {
		bad.Answer(w, r)
		return
	}
	if status, detail, errs := s.reports.settle(&req, s.now()); status != 0 {
		httpx.Problem(w, r, status, detail, errs...)
		return
	}
	if s.reports.full() {
		w.Header().Set("Retry-After", "10")
		httpx.Problem(w, r, http.StatusServiceUnavailable, fmt.Sprintf("%d reports are under way; try again when some are done", maxUnfinished))
		return
	}
	m, err := s.reports.order(r.Context(), newReport(req.kind, req.format, req.options.template, *req.period))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), nil, map[string]any{"report": m.id, "report_type": req.kind, "format": req.format, "period": req.period, "email_to": req.options.emailTo})
	w.Header().Set("Location", "/reports/"+m.id)
	warnings, err := s.reports.post(r.Context(), m.id, req.options.emailTo)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	rep, status := agg.Report{}, http.StatusAccepted
	if await(r.Context(), m.done, reportWait) {
		switch rep = m.r; {
		case errors.Is(m.err, errDeleted):
			httpx.Problem(w, r, http.StatusConflict, errDeleted.Error())
			return
		case rep.Status == agg.ReportFailed && httpx.FullDisk(w, r, m.err):
			return
		case rep.Status == agg.ReportFailed:
			httpx.Problem(w, r, http.StatusInternalServerError, "the report could not be made: "+m.err.Error())
			return
		case m.err == nil:
			status = http.StatusCreated
			if m.empty {
				warnings = append(warnings, fmt.Sprintf("no event was counted from %s to %s: name a period that has some, by start and end", rep.Start.Format(time.RFC3339), rep.End.Format(time.RFC3339)))
			}
		case rep.Status != agg.ReportQueued: // else the service stops, and the next start makes it
			s.fail(w, r, m.err)
			return
		}
	} else if rep, err = s.reports.store.Report(r.Context(), m.id); err != nil {
		s.fail(w, r, err)
		return
	}
	out := shownReport(rep)
	out.Warnings = warnings
	if out.Deliveries, err = s.reports.courier.of(r.Context(), rep.ID); err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, status, out)
}

// await waits for a channel to close; false when it took too long or the caller left.
func await(ctx context.Context, done <-chan struct{}, limit time.Duration) bool {
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// reportJSON is a report as clients see it.
type reportJSON struct {
	ID           string           `json:"id"`
	Type         string           `json:"report_type"`
	Format       string           `json:"format"`
	Status       agg.ReportStatus `json:"status"`
	Period       report.Period    `json:"period"`
	CreatedAt    time.Time        `json:"created_at"`
	CompletedAt  *time.Time       `json:"completed_at"` // when the bytes last changed
	Bytes        *int64           `json:"bytes"`
	SHA256       *string          `json:"sha256"`
	Completeness *float64         `json:"completeness"`
	URL          string           `json:"url"`
	File         *string          `json:"file"` // below the folder of reports
	Error        string           `json:"error,omitempty"`
	Deliveries   []deliveryJSON   `json:"deliveries,omitempty"` // of one report: who gets it
	Warnings     []string         `json:"warnings,omitempty"`
}

func shownReport(r agg.Report) reportJSON {
	out := reportJSON{ID: r.ID, Type: r.Type, Format: r.Format, Status: r.Status, Period: report.Period{Start: r.Start, End: r.End}, CreatedAt: r.CreatedAt,
		CompletedAt: r.CompletedAt, Completeness: r.Completeness, URL: "/reports/" + r.ID + "/content", Error: r.Error}
	if r.SHA256 != "" {
		out.Bytes, out.SHA256, out.File = &r.Bytes, &r.SHA256, &r.File
	}
	return out
}

func (s *Service) getReports(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	q.only("report_type", "limit", "cursor")
	limit := q.limit()
	kind := q.choice("report_type", "", texts(report.Kinds)...)
	if q.refused(w, r) {
		return
	}
	reports, next, err := s.reports.store.Reports(r.Context(), kind, limit, q.values.Get("cursor"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := make([]reportJSON, len(reports))
	for i := range reports {
		out[i] = shownReport(reports[i])
	}
	httpx.JSON(w, http.StatusOK, reportList{out, cursorOf(next)})
}

func (s *Service) getReportStatus(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	if q.only(); q.refused(w, r) {
		return
	}
	reports, counts, err := s.reports.store.LastReports(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	last, states := map[string]*reportJSON{}, map[string]string{}
	for _, k := range report.Kinds {
		last[string(k)], states[string(k)] = nil, s.reports.state(k)
	}
	for i := range reports {
		last[reports[i].Type] = new(shownReport(reports[i]))
	}
	all := map[agg.ReportStatus]int{}
	for _, st := range []agg.ReportStatus{agg.ReportQueued, agg.ReportRunning, agg.ReportCompleted, agg.ReportFailed} {
		all[st] = counts[st]
	}
	delivery, err := s.reports.courier.state(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, reportStates{all, last, states, counts[agg.ReportQueued] + counts[agg.ReportRunning], delivery})
}

// reportID is what newReport makes; a database is not asked for anything else, since not every text is one to it.
var reportID = regexp.MustCompile(`^[a-z_]{1,64}-[0-9]{8}(T[0-9]{2})?-[0-9]{8}(T[0-9]{2})?(-[a-z0-9_]{1,32})?-[a-z]{1,8}$`)

// reportOr404 answers for a report that does not exist.
func (s *Service) reportOr404(w http.ResponseWriter, r *http.Request) (rep agg.Report, ok bool) {
	err := s.deps.NotFound
	if id := r.PathValue("id"); reportID.MatchString(id) {
		rep, err = s.reports.store.Report(r.Context(), id)
	}
	if err != nil {
		s.fail(w, r, err)
		return rep, false
	}
	return rep, true
}

func (s *Service) getReport(w http.ResponseWriter, r *http.Request) {
	rep, ok := s.reportOr404(w, r)
	if !ok {
		return
	}
	out, err := shownReport(rep), error(nil)
	if out.Deliveries, err = s.reports.courier.of(r.Context(), rep.ID); err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, out)
}

// getReportContent answers with the bytes that were made, or not at all: a file that somebody has changed is not the report.
func (s *Service) getReportContent(w http.ResponseWriter, r *http.Request) {
	rep, ok := s.reportOr404(w, r)
	if !ok {
		return
	}
	if rep.SHA256 == "" {
		detail := "the report has no content yet, it is " + string(rep.Status)
		if rep.Status == agg.ReportFailed {
			detail = "the report has no content, it failed: " + rep.Error
		} else {
			w.Header().Set("Retry-After", "1")
		}
		httpx.Problem(w, r, http.StatusNotFound, detail)
		return
	}
	body, err := s.reports.read(rep)
	if errors.Is(err, errDamaged) { // made again between the two looks?
		if rep, ok = s.reportOr404(w, r); !ok {
			return
		}
		body, err = s.reports.read(rep)
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		where := "is gone from the folder of reports"
		if rep.Machine != "" && rep.Machine != s.deps.Machine {
			where = "is not on this machine (" + s.deps.Machine + ") but on " + rep.Machine + ", which made it"
		}
		httpx.Problem(w, r, http.StatusGone, "the file "+rep.File+" "+where+"; POST /reports/generate makes it again")
	case errors.Is(err, errDamaged):
		s.log.Error("report file is not the one that was made", "report", rep.ID, "file", rep.File, "err", err)
		httpx.Problem(w, r, http.StatusGone, "the file "+rep.File+" is not the one that was made; POST /reports/generate makes it again")
	case err != nil:
		s.fail(w, r, err)
	default:
		w.Header().Set("Content-Type", report.MediaType(rep.Format))
		disposition := "attachment"
		if r.URL.Query().Get("inline") == "true" {
			disposition = "inline"
		}
		w.Header().Set("Content-Disposition", disposition+`; filename="`+path.Base(rep.File)+`"`)
		w.Header().Set("ETag", `"`+rep.SHA256+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	}
}

// getReportView shows the document as a page of its own, which runs nothing and loads nothing.
func (s *Service) getReportView(w http.ResponseWriter, r *http.Request) {
	rep, ok := s.reportOr404(w, r)
	if !ok {
		return
	}
	page, err := s.reports.view(r.Context(), &rep)
	switch {
	case r.Context().Err() != nil:
		return // nobody listens
	case errors.Is(err, errViewLimit):
		w.Header().Set("Retry-After", "10")
		httpx.Problem(w, r, http.StatusServiceUnavailable, err.Error()+"; /reports/"+rep.ID+"/content has the document as it was made")
		return
	case err != nil:
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", report.MediaType(report.HTML))
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(page)
}

var errViewLimit = errors.New("the page could not be made within " + viewLimit.String())

// view makes the page of a report. Views have slots and a limit of their own: however many people look, reports are made.
func (p *reporter) view(ctx context.Context, r *agg.Report) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, viewLimit, errViewLimit)
	defer stop()
	if !take(ctx, p.views) {
		return nil, context.Cause(ctx)
	}
	defer func() { <-p.views }()
	doc, err := p.document(ctx, r)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	}
	return doc.Render(report.HTML)
}

func (s *Service) deleteReport(w http.ResponseWriter, r *http.Request) {
	rep, ok := s.reportOr404(w, r)
	if !ok {
		return
	}
	if err := s.reports.store.DeleteReport(r.Context(), rep.ID); err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.Changed(r.Context(), shownReport(rep), nil)
	s.reports.remove(rep)
	s.log.Info("report deleted", "report", rep.ID)
	w.WriteHeader(http.StatusNoContent)
}
