package batch

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Limits of one accuracy check: it folds every hour of its range anew while the caller waits.
const (
	maxCheckHours  = 31 * 24
	maxDifferences = 100
)

// accuracyReport is the answer of POST /accuracy/check: the hourly rows of a range, period by model, counted anew from the raw
// events of the lake and compared with what is stored, column by column but updated_at.
type accuracyReport struct {
	Checked     int64        `json:"checked"` // rows, those that are stored or ought to be
	Equal       int64        `json:"equal"`
	Ratio       float64      `json:"ratio"` // 1 when nothing was checked
	Differences []difference `json:"differences"`
	LeftOut     int64        `json:"differences_left_out"` // beyond the first hundred
	Hours       int64        `json:"hours"`                // that were counted anew
	// OnBase are hours of which some raw files have left: their part was taken as it is stored, only the rest counted anew.
	OnBase []time.Time `json:"hours_on_base"`
	// Unchecked are hours of which all raw files have left; restore them to check.
	Unchecked []time.Time `json:"hours_without_raw"`
	// Behind are hours with data that their rows do not count yet; they are aggregated by themselves, so check again later.
	Behind []time.Time `json:"hours_behind"`
}

// difference is one row that is not as it was counted anew.
type difference struct {
	Timestamp time.Time         `json:"timestamp"`
	Model     string            `json:"model"`
	Problem   string            `json:"problem"` // "differs", "missing" (not stored), "unexpected" (stored, without events)
	Columns   map[string]values `json:"columns,omitempty"`
}

type values struct {
	Stored    any `json:"stored"`
	Recounted any `json:"recounted"`
}

func (s *Service) postAccuracyCheck(w http.ResponseWriter, r *http.Request) {
	var req struct{ From, To time.Time }
	if !readBody(w, r, &req, httpx.Strict) {
		return
	}
	if err := levels["hourly"].span(req.From, req.To); err != nil {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, "the range cannot be checked: "+err.Error(),
			httpx.FieldError{Pointer: "/from", Code: "bad_interval", Detail: "from and to are whole hours in RFC 3339, such as 2026-03-01T10:00:00Z"})
		return
	}
	if hours := req.To.Sub(req.From).Hours(); hours > maxCheckHours {
		httpx.Problem(w, r, http.StatusUnprocessableEntity, fmt.Sprintf("the range has %.0f hours; one check takes at most %d", hours, maxCheckHours),
			httpx.FieldError{Pointer: "/to", Code: "out_of_range", Detail: "check a shorter range"})
		return
	}
	if !s.cfg().Aggregation.enabled("hourly") {
		httpx.Problem(w, r, http.StatusConflict, "disabled: hourly aggregation is switched off, so there is nothing to compare with")
		return
	}
	report, err := s.checkAccuracy(r.Context(), levels["hourly"].within(req.From, req.To))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, report)
}

// checkAccuracy counts hours anew and notes the outcome for data_aggregation_accuracy_ratio. It mends nothing: a run of the hour does.
func (s *Service) checkAccuracy(ctx context.Context, hours []period) (*accuracyReport, error) {
	report := &accuracyReport{Differences: []difference{}, OnBase: []time.Time{}, Unchecked: []time.Time{}, Behind: []time.Time{}}
	for _, p := range hours {
		if err := s.checkHour(ctx, p, report); err != nil {
			return nil, err
		}
	}
	report.Ratio = share(float64(report.Equal), float64(report.Checked))
	s.log.Info("aggregation accuracy check", "hours", report.Hours, "rows", report.Checked, "equal", report.Equal, "behind", len(report.Behind))
	return report, nil
}

// checkHour counts one hour anew while nobody else stores it in this process. One that another process stores meanwhile is behind.
func (s *Service) checkHour(ctx context.Context, p period, report *accuracyReport) error {
	done, err := s.busy.take(ctx, p.name, p.start)
	if err != nil {
		return err
	}
	defer done()
	if !take(ctx, s.slots) {
		return context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	before, err := s.deps.Hours.HourBuild(ctx, p.start)
	if err != nil {
		return err
	}
	stored, _, err := s.deps.Rows.Rows(ctx, p.name, agg.ByModel, timeOf(p.start), timeOf(p.end), "*", 0, "")
	if err != nil || before.Version == 0 && len(stored) == 0 {
		return err
	}
	now, err := s.recount(ctx, p.start, 0)
	if err != nil {
		return err
	}
	switch {
	case now.version != before.Built:
		report.Behind = append(report.Behind, timeOf(p.start))
		return nil
	case now.based && now.files == 0:
		report.Unchecked = append(report.Unchecked, timeOf(p.start))
		return nil
	case now.based:
		report.OnBase = append(report.OnBase, timeOf(p.start))
	}
	checked, differences := s.compare(stored, now.aggregate.Rows[agg.ByModel])
	report.Hours++
	report.Checked += int64(checked)
	report.Equal += int64(checked - len(differences))
	free := min(len(differences), maxDifferences-len(report.Differences))
	report.Differences = append(report.Differences, differences[:free]...)
	report.LeftOut += int64(len(differences) - free)
	s.book.recounted(p.start, checked, len(differences), s.now())
	return nil
}

// compare matches rows by model; both are sorted by it.
func (s *Service) compare(stored, recounted []agg.Row) (checked int, out []difference) {
	byModel := func(r agg.Row, model string) int {
		switch {
		case r.Model < model:
			return -1
		case r.Model > model:
			return 1
		}
		return 0
	}
	for i := range stored {
		r := &stored[i]
		checked++
		at, found := slices.BinarySearchFunc(recounted, r.Model, byModel)
		if !found {
			out = append(out, difference{Timestamp: r.Timestamp, Model: r.Model, Problem: "unexpected"})
			continue
		}
		s.columns.blank(r) // what is not chosen is not judged
		if columns := differing(r, &recounted[at]); len(columns) > 0 {
			out = append(out, difference{r.Timestamp, r.Model, "differs", columns})
		}
	}
	for i := range recounted {
		r := &recounted[i]
		if _, found := slices.BinarySearchFunc(stored, r.Model, byModel); !found {
			checked++
			out = append(out, difference{Timestamp: r.Timestamp, Model: r.Model, Problem: "missing"})
		}
	}
	return checked, out
}

// differing returns the columns that are not equal.
func differing(stored, recounted *agg.Row) map[string]values {
	out := map[string]values{}
	a, b := reflect.ValueOf(stored).Elem(), reflect.ValueOf(recounted).Elem()
	for i, name := range agg.Columns {
		if name == "updated_at" || name == "timestamp" {
			continue
		}
		if x, y := a.Field(i).Interface(), b.Field(i).Interface(); !reflect.DeepEqual(x, y) {
			out[name] = values{x, y}
		}
	}
	return out
}
