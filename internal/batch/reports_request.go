package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// reportRequest is the body of POST /reports/generate.
type reportRequest struct {
	kind    report.Kind
	format  string
	period  *report.Period // nil = the last complete one
	options reportOptions
}

// reportOptions are what a request may add to a report.
type reportOptions struct {
	emailTo  []string
	template string // "" = the one for the kind
}

// UnmarshalJSON reads a request and tells all that is wrong with it.
func (req *reportRequest) UnmarshalJSON(body []byte) error {
	read, status, errs := decodeReport(body)
	if status != 0 {
		return &httpx.Fault{Status: status, Detail: "the report cannot be ordered: " + errs[0].Detail, Errors: errs}
	}
	*req = read
	return nil
}

// faults collects what is wrong with a body.
type faults []httpx.FieldError

func (f *faults) add(pointer, code, format string, args ...any) {
	*f = append(*f, httpx.FieldError{Pointer: pointer, Code: code, Detail: fmt.Sprintf(format, args...)})
}

// decodeReport reads a request. status is 0 when nothing is wrong with it as a text; whether it can be done is not looked at.
func decodeReport(body []byte) (req reportRequest, status int, errs faults) {
	fields, err := object(body)
	if err != nil {
		errs.add("", "bad_json", "the body is not a JSON object: %v", err)
		return req, http.StatusBadRequest, errs
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v := fields[name]
		switch name {
		case "report_type":
			var text string
			if decodeInto(v, &text, "/report_type", "a text", &errs) {
				if req.kind = report.Kind(text); !req.kind.Known() {
					errs.add("/report_type", "unknown_value", "%q is not one of %s", text, choices(report.Kinds))
				}
			}
		case "format":
			if decodeInto(v, &req.format, "/format", "a text", &errs) && !slices.Contains(report.Formats, req.format) {
				errs.add("/format", "unknown_value", "%q is not one of %s", req.format, choices(report.Formats))
			}
		case "period":
			req.period = decodePeriod(v, &errs)
		case "options":
			req.options = decodeOptions(v, &errs)
		default:
			errs.add("/"+name, "unknown_field", "unknown field; known are report_type, format, period, options")
		}
	}
	for _, name := range []string{"report_type", "format"} {
		if _, ok := fields[name]; !ok {
			errs.add("/"+name, "required", "choose one of %s", map[string]string{"report_type": choices(report.Kinds), "format": choices(report.Formats)}[name])
		}
	}
	if len(errs) > 0 {
		return req, http.StatusUnprocessableEntity, errs
	}
	return req, 0, nil
}

func texts[T ~string](names []T) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = string(n)
	}
	return out
}

func choices[T ~string](names []T) string { return strings.Join(texts(names), ", ") }

// object reads one JSON object.
func object(body []byte) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	if fields == nil {
		return nil, errors.New("it is null")
	}
	return fields, nil
}

func decodeInto(v json.RawMessage, to any, pointer, what string, errs *faults) bool {
	if bytes.Equal(v, []byte("null")) {
		errs.add(pointer, "wrong_type", "null is not %s", what)
		return false
	}
	if err := json.Unmarshal(v, to); err != nil {
		errs.add(pointer, "wrong_type", "it is not %s", what)
		return false
	}
	return true
}

func decodePeriod(v json.RawMessage, errs *faults) *report.Period {
	if bytes.Equal(v, []byte("null")) {
		return nil
	}
	fields, err := object(v)
	if err != nil {
		errs.add("/period", "wrong_type", `it is not an object such as {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}`)
		return nil
	}
	p, found := report.Period{}, len(*errs)
	for _, end := range []struct {
		name string
		to   *time.Time
	}{{"start", &p.Start}, {"end", &p.End}} {
		text, pointer := "", "/period/"+end.name
		raw, ok := fields[end.name]
		if !ok {
			errs.add(pointer, "required", "a period has both ends; leave it out for the last complete one")
			continue
		}
		if !decodeInto(raw, &text, pointer, "a time in RFC 3339", errs) {
			continue
		}
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			errs.add(pointer, "bad_timestamp", "%q is not an RFC 3339 time such as 2026-03-01T00:00:00Z", text)
			continue
		}
		*end.to = t.UTC()
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != "start" && name != "end" {
			errs.add("/period/"+name, "unknown_field", "unknown field; a period has start and end")
		}
	}
	if len(*errs) > found {
		return nil
	}
	return &p
}

func decodeOptions(v json.RawMessage, errs *faults) (o reportOptions) {
	if bytes.Equal(v, []byte("null")) {
		return o
	}
	fields, err := object(v)
	if err != nil {
		errs.add("/options", "wrong_type", "it is not an object")
		return o
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch name {
		case "email_to":
			o.emailTo = decodeAddresses(fields[name], errs)
		case "template":
			if decodeInto(fields[name], &o.template, "/options/template", "a text", errs) && !templateName.MatchString(o.template) {
				errs.add("/options/template", "bad_value", "%q is no name of a template: 1 to 32 of a-z, 0-9 and _", o.template)
			}
		default:
			errs.add("/options/"+name, "unknown_field", "unknown option; known are email_to, template")
		}
	}
	return o
}

// templateName is a name that a path and an id may hold.
var templateName = regexp.MustCompile(`^[a-z0-9_]{1,32}$`)

// decodeAddresses reads mail addresses: bare ones, since what stands beside an address is not used.
func decodeAddresses(v json.RawMessage, errs *faults) (list []string) {
	if !decodeInto(v, &list, "/options/email_to", "a list of addresses", errs) {
		return nil
	}
	if len(list) > maxMailTo {
		errs.add("/options/email_to", "out_of_range", "%d addresses are more than %d", len(list), maxMailTo)
		return nil
	}
	for i, a := range list {
		if err := deliver.CheckAddress(a); err != nil {
			errs.add(fmt.Sprintf("/options/email_to/%d", i), "bad_value", "%q is not a mail address: %v", a, err)
		}
	}
	return list
}

// settle fills in the period and tells whether the report can be made; status is 0 when it can.
func (p *reporter) settle(req *reportRequest, now time.Time) (status int, detail string, errs faults) {
	level := req.kind.Level()
	switch {
	case req.period == nil:
		req.period = new(report.Last(req.kind.Usual(), now))
	case req.period.End.After(now):
		errs.add("/period/end", "not_over", "the period ends at %s, which is still to come; reports are made of periods that are over", req.period.End.Format(time.RFC3339))
	default:
		if _, err := req.period.Count(level); err != nil {
			errs.add("/period", "bad_period", "%v", err)
		}
	}
	cfg := &p.s.cfg().Reports
	switch {
	case len(errs) > 0:
		return http.StatusUnprocessableEntity, "the period cannot be used: " + errs[0].Detail, errs
	case !cfg.Enabled:
		return http.StatusConflict, "disabled: reports are switched off; report_generation.enabled switches them on", nil
	case !cfg.on(req.kind):
		return http.StatusConflict, fmt.Sprintf("disabled: %s is not among report_generation.reports", req.kind), nil
	case req.kind == report.CapacityReport && !p.s.cfg().Capacity.Enabled:
		return http.StatusConflict, "disabled: capacity analysis is switched off; capacity_analysis.enabled switches it on", nil
	case req.kind == report.CapacityReport && !p.s.cfg().Capacity.Reporting:
		return http.StatusConflict, "disabled: reports of capacity are switched off; capacity_analysis.reporting_enabled switches them on", nil
	case !slices.Contains(cfg.Formats, req.format):
		return http.StatusConflict, fmt.Sprintf("disabled: %s is not among report_generation.formats", req.format), nil
	}
	if _, err := p.templates(req.kind, req.options.template); err != nil { // also the one that is for the report when none is named
		errs.add("/options/template", "bad_template", "%v", err)
		return http.StatusUnprocessableEntity, "the template cannot be used: " + errs[0].Detail, errs
	}
	return 0, "", nil
}
