package app

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
)

// Report is what batch-processing-api tells of a report.
type Report struct {
	ID     string `json:"id"`
	Type   string `json:"report_type"`
	Format string `json:"format"`
	Status string `json:"status"`
	Period struct {
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
	} `json:"period"`
	CreatedAt    time.Time  `json:"created_at"`
	CompletedAt  *time.Time `json:"completed_at"`
	Bytes        *int64     `json:"bytes"`
	SHA256       *string    `json:"sha256"`
	Completeness *float64   `json:"completeness"`
	URL          string     `json:"url"`
	File         *string    `json:"file"`
	Error        string     `json:"error,omitempty"`
	Warnings     []string   `json:"warnings,omitempty"`
	Deliveries   []struct {
		Way       string     `json:"way"`
		To        string     `json:"to"`
		State     string     `json:"state"`
		Attempts  int64      `json:"attempts"`
		Uncertain int64      `json:"uncertain_attempts"`
		NextAt    *time.Time `json:"next_at"`
		SentAt    *time.Time `json:"sent_at"`
		Error     string     `json:"error,omitempty"`
	} `json:"deliveries,omitempty"`
}

// ReportOrder says which report is to be made; without Start and End it is about the last complete period.
type ReportOrder struct {
	Type, Format string
	Start, End   time.Time
	Template     string   // "" = that of the type
	EmailTo      []string // addresses
}

// Reports lists the reports of a type ("" = all), newest first, at most limit (0 = all).
func (a *Asked) Reports(ctx context.Context, kind string, limit int) ([]Report, error) {
	all := []Report{}
	for cursor := ""; ; {
		q := url.Values{"limit": {"1000"}}
		if limit > 0 {
			q.Set("limit", fmt.Sprint(min(limit-len(all), 1000)))
		}
		if kind != "" {
			q.Set("report_type", kind)
		}
		if cursor != "" {
			q.Set("cursor", cursor)
		}
		var page struct {
			Reports []Report `json:"reports"`
			Next    *string  `json:"next_cursor"`
		}
		if err := a.Into(ctx, "GET", "/reports/list?"+q.Encode(), nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Reports...)
		if page.Next == nil || limit > 0 && len(all) >= limit {
			return all, nil
		}
		cursor = *page.Next
	}
}

// MakeReport has a report made and returns when it is done or has failed.
func (a *Asked) MakeReport(ctx context.Context, o ReportOrder) (Report, error) {
	body := map[string]any{"report_type": o.Type, "format": o.Format}
	if !o.Start.IsZero() || !o.End.IsZero() {
		body["period"] = map[string]any{"start": o.Start, "end": o.End}
	}
	options := map[string]any{}
	if o.Template != "" {
		options["template"] = o.Template
	}
	if len(o.EmailTo) > 0 {
		options["email_to"] = o.EmailTo
	}
	if len(options) > 0 {
		body["options"] = options
	}
	var r Report
	if err := a.Into(ctx, "POST", "/reports/generate", body, &r); err != nil {
		return r, err
	}
	for r.Status == "queued" || r.Status == "running" {
		select {
		case <-time.After(a.pause):
		case <-ctx.Done():
			return r, ctx.Err()
		}
		next, err := a.Report(ctx, r.ID)
		if err != nil {
			return r, err
		}
		next.Warnings = r.Warnings // they belong to the order
		r = next
	}
	if r.Status != "completed" {
		return r, fmt.Errorf("the report %s is %s: %s", r.ID, r.Status, r.Error)
	}
	return r, nil
}

// Report returns what is known of a report.
func (a *Asked) Report(ctx context.Context, id string) (r Report, err error) {
	return r, a.Into(ctx, "GET", "/reports/"+url.PathEscape(id), nil, &r)
}

// ReportContent returns the document itself.
func (a *Asked) ReportContent(ctx context.Context, id string) ([]byte, error) {
	return a.Call(ctx, "GET", "/reports/"+url.PathEscape(id)+"/content", nil)
}

// ReportSchedules say which reports are made by themselves, and who gets them by mail.
type ReportSchedules struct {
	ETag      string           `json:"etag"`
	UpdatedAt *time.Time       `json:"updated_at"`
	Timezone  string           `json:"timezone"`
	Mail      bool             `json:"mail"`
	Schedules []ReportSchedule `json:"schedules"`
}

// ReportSchedule says it of one type.
type ReportSchedule struct {
	Type   string       `json:"report_type"`
	Made   bool         `json:"made"`
	Mail   []ReportMail `json:"mail"`
	Origin string       `json:"origin"` // configuration or api
}

// ReportMail is who gets a report, in which formats and when.
type ReportMail struct {
	Recipients []string `json:"recipients"`
	Formats    []string `json:"formats"`
	Schedule   string   `json:"schedule"`
}

// ReportSchedules returns what holds now.
func (a *Asked) ReportSchedules(ctx context.Context) (s ReportSchedules, err error) {
	return s, a.Into(ctx, "GET", "/reports/schedules", nil, &s)
}

// PutReportSchedules sets what the API says, unless somebody else has changed it since s was got; what has the origin configuration is left to it.
func (a *Asked) PutReportSchedules(ctx context.Context, s ReportSchedules) (now ReportSchedules, err error) {
	return now, a.With("If-Match", s.ETag).Into(ctx, "PUT", "/reports/schedules", map[string]any{"schedules": s.Schedules}, &now)
}

// ReportTypes lists the types of reports.
func ReportTypes() []string {
	var names []string
	for _, k := range report.Kinds {
		names = append(names, string(k))
	}
	return names
}
