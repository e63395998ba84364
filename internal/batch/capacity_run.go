package batch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Kinds of what is stored of capacity.
const (
	capacityKind  = "capacity"
	capacityTales = "capacity_alerts"
)

// storedAnalysis is the last analysis with what it was made from.
type storedAnalysis struct {
	From     string     `json:"from"`            // of the rows that it was made from
	Until    *time.Time `json:"until,omitempty"` // when it is made again, where the metrics server did not answer
	Analysis analysis   `json:"analysis"`
}

// askAgain is how long a metrics server that does not answer is left alone.
const askAgain = 5 * time.Minute

// capacityTotals is the summary of capacity_analysis.
type capacityTotals struct {
	DataDays     int       `json:"data_days"`
	Resources    int       `json:"resources"`
	Trends       int       `json:"trends"`
	Insufficient []lacking `json:"insufficient_data,omitempty"`
	Forecasts    int       `json:"forecasts"`
	Needs        int       `json:"recommendations"`
	Alerts       int       `json:"alerts"`
	Skipped      string    `json:"skipped,omitempty"`
}

// capacityAnalysis is the task of the weekly DAG: it looks at the hours before the end of the interval and stores what it finds.
func (s *Service) capacityAnalysis(ctx context.Context, r *agg.Run, progress func(done, total int64, unit string)) (any, error) {
	if !s.cfg().Capacity.Enabled {
		return capacityTotals{Skipped: "capacity analysis is switched off"}, nil
	}
	progress(0, 1, "analyses")
	a, err := s.analysisIn(ctx, s.shelf.planned, r.End)
	if err != nil {
		return nil, err
	}
	progress(1, 1, "analyses")
	if err := s.tellCapacity(ctx, a.Alerts, r); err != nil {
		return nil, err
	}
	return capacityTotals{DataDays: a.DataDays, Resources: len(a.Utilization), Trends: len(a.Growth), Insufficient: a.Insufficient,
		Forecasts: len(a.Forecasts), Needs: len(a.Recommendations), Alerts: len(a.Alerts)}, nil
}

// getCapacity shows the last analysis, made anew when the hours are not those that it was made from.
func (s *Service) getCapacity(w http.ResponseWriter, r *http.Request) {
	q := &query{values: r.URL.Query()}
	if q.only(); q.refused(w, r) {
		return
	}
	if s.capacityOff(w, r) {
		return
	}
	a, err := s.analysis(r.Context(), s.now())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	httpx.JSON(w, http.StatusOK, a)
}

// capacityOff answers where nothing is learnt about capacity.
func (s *Service) capacityOff(w http.ResponseWriter, r *http.Request) bool {
	if !s.cfg().Capacity.Enabled {
		httpx.Problem(w, r, http.StatusConflict, "disabled: capacity analysis is switched off; capacity_analysis.enabled switches it on")
	}
	return !s.cfg().Capacity.Enabled
}

// analysis returns what the hours before end say, to somebody who asks.
func (s *Service) analysis(ctx context.Context, end time.Time) (analysis, error) {
	return s.analysisIn(ctx, s.shelf.slots, end)
}

// analysisIn makes an analysis in one of slots, or finds it stored.
func (s *Service) analysisIn(ctx context.Context, slots chan struct{}, end time.Time) (analysis, error) {
	end = end.UTC().Truncate(time.Hour)
	rows, err := s.historyRows(ctx, end)
	if err != nil {
		return analysis{}, err
	}
	from := fingerprint(s.cfg(), s.deps.Metrics.String(), rows, end)
	if known, ok := s.knownAnalysis(ctx, from); ok {
		return known, nil
	}
	if !take(ctx, slots) { // it takes seconds of a core, and anybody may ask
		return analysis{}, context.Cause(ctx)
	}
	defer func() { <-slots }()
	if known, ok := s.knownAnalysis(ctx, from); ok { // somebody else made it meanwhile
		return known, nil
	}
	hours, err := s.hourUses(ctx, rows)
	if err != nil {
		return analysis{}, err
	}
	sc, err := s.scan(ctx, hoursToScan(hours))
	if err != nil {
		return analysis{}, err
	}
	kept := storedAnalysis{From: from}
	if err := s.deps.Metrics.fill(ctx, hours, sc); err != nil {
		kept.Until = new(s.now().Add(askAgain))
		s.log.Warn("metrics server does not answer; capacity is analysed without it", "until", *kept.Until, "err", err)
	}
	a, err := analyse(ctx, &s.cfg().Capacity, s.cfg().Costs.SelfHosted, hours, sc, end, s.now())
	if err != nil {
		return a, err
	}
	kept.Analysis = a
	text, err := json.Marshal(kept)
	if err == nil {
		err = s.deps.Reports.SaveAnalysis(ctx, capacityKind, end, text)
	}
	return a, err
}

func (s *Service) knownAnalysis(ctx context.Context, from string) (analysis, bool) {
	text, _, err := s.deps.Reports.Analysis(ctx, capacityKind)
	if errors.Is(err, s.deps.NotFound) {
		return analysis{}, false
	}
	var known storedAnalysis
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err != nil { // it is made again, so nothing is lost
		s.log.Warn("stored capacity analysis cannot be read and is made again", "err", err)
		return analysis{}, false
	}
	return known.Analysis, known.From == from && (known.Until == nil || s.now().Before(*known.Until))
}

// analysisForm is the form of the analyses that are made: one of another form is not shown.
const analysisForm = 6

// fingerprint tells apart sets of rows, and settings, that an analysis can be made from. Growth is told in whole days, so the day of
// the end belongs to it.
func fingerprint(cfg *Config, asked string, rows []agg.Row, end time.Time) string {
	h := sha256.New()
	fmt.Fprintln(h, analysisForm, cfg.Capacity, cfg.Costs.SelfHosted, asked, dayName(end))
	var b []byte
	for i := range rows {
		r := &rows[i]
		b = binary.AppendVarint(b[:0], r.Timestamp.Unix())
		b = binary.AppendVarint(b, r.UpdatedAt.UnixMicro())
		b = binary.AppendVarint(b, r.Events)
		h.Write(append(append(b, r.Model...), 0))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// hourUses adds to the rows of each hour what the machines measured in it.
func (s *Service) hourUses(ctx context.Context, rows []agg.Row) ([]hourUse, error) {
	var out []hourUse
	for i := range rows {
		if n := len(out); n > 0 && out[n-1].start.Equal(rows[i].Timestamp) {
			out[n-1].rows = append(out[n-1].rows, rows[i])
			continue
		}
		out = append(out, hourUse{start: rows[i].Timestamp.UTC(), rows: rows[i : i+1 : i+1]})
	}
	var c agg.Cell
	for i := range out {
		h := &out[i]
		encoded, _, err := s.deps.Periods.Cells(ctx, "hourly", h.start.Unix())
		if err != nil {
			return nil, err
		}
		blob, ok := encoded[agg.Group{Dimension: agg.ByModel, Value: agg.AllModels}]
		if !ok {
			continue
		}
		c.Reset()
		if _, err := c.Decode(blob); err != nil {
			return nil, fmt.Errorf("cell of %s: %w", hourName(h.start.Unix()), err)
		}
		h.gauge = map[string]agg.Gauge{}
		for _, r := range resources {
			if g := c.System.Gauge(r.name); g.Count > 0 {
				g.Sum = g.Sum.Clone()
				h.gauge[r.name] = g
			}
		}
	}
	return out, nil
}
