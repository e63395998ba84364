package batch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/batch/report"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
)

// Which reports are made by themselves, and who gets them by mail, is said by the configuration, and for each kind anew by PUT /reports/schedules:
// what the API says of a kind replaces what the configuration says of it. Webhooks and folders stay with the configuration, since secrets and
// paths of this machine are none of a browser's business.

// reportSchedule is what is said of the reports of a kind.
type reportSchedule struct {
	Type   report.Kind    `json:"report_type"`
	Made   bool           `json:"made"` // by itself, when it is due
	Mail   []mailing      `json:"mail"`
	Origin scheduleOrigin `json:"origin,omitempty"`
}

// mailing is who gets a report by mail, in which formats, and when.
type mailing struct {
	Recipients []string `json:"recipients"`
	Formats    []string `json:"formats"`
	Schedule   string   `json:"schedule"` // cron: what is due goes out at the next such time; at once when empty
}

// scheduleOrigin is the layer that says something.
type scheduleOrigin string

const (
	ofConfiguration scheduleOrigin = "configuration"
	ofAPI           scheduleOrigin = "api"
)

// schedulesKind is where the layer of the API lies among the analyses of the store.
const schedulesKind = "report_schedules"

// scheduledKinds are the kinds that are ever due.
func scheduledKinds() []report.Kind {
	return slices.DeleteFunc(slices.Clone(report.Kinds), func(k report.Kind) bool { return k == report.Test })
}

// schedules are what is said of each kind that is ever due.
type schedules struct {
	list  []reportSchedule
	saved time.Time // when the layer of the API was last changed; the zero time = never
}

// of is what is said of a kind.
func (p *schedules) of(k report.Kind) reportSchedule {
	if i := slices.IndexFunc(p.list, func(x reportSchedule) bool { return x.Type == k }); i >= 0 {
		return p.list[i]
	}
	return reportSchedule{Type: k}
}

// etag changes with everything that is said, also with the configuration.
func (p *schedules) etag() string {
	text, _ := json.Marshal(p.list) // texts and booleans
	sum := sha256.Sum256(fmt.Appendf(text, "%d", p.saved.UnixMicro()))
	return `"` + hex.EncodeToString(sum[:8]) + `"`
}

var errSchedules = errors.New("the stored schedules of reports are damaged")

// schedules reads both layers. With errSchedules nothing is known but when the layer of the API was saved.
func (p *reporter) schedules(ctx context.Context) (*schedules, error) {
	out := &schedules{}
	text, saved, err := p.store.Analysis(ctx, schedulesKind)
	var said []reportSchedule
	switch {
	case errors.Is(err, p.s.deps.NotFound):
	case err != nil:
		return nil, err
	default:
		out.saved = saved
		if err := json.Unmarshal(text, &said); err != nil {
			return out, fmt.Errorf("%w: %w; PUT /reports/schedules sets them anew", errSchedules, err)
		}
	}
	for _, k := range scheduledKinds() {
		x := p.s.cfg().schedule(k)
		if i := slices.IndexFunc(said, func(x reportSchedule) bool { return x.Type == k }); i >= 0 {
			x = said[i]
			x.Origin = ofAPI
		}
		x.Made = x.Made && p.s.cfg().makes(k) // what is switched off altogether stays off
		out.list = append(out.list, x)
	}
	return out, nil
}

// save replaces the layer of the API by what is said in it; taken is false when somebody else changed it since p was read.
func (p *reporter) save(ctx context.Context, was *schedules, said []reportSchedule) (taken bool, err error) {
	text, err := json.Marshal(said)
	if err != nil {
		return false, err
	}
	now := p.s.now().UTC().Truncate(time.Microsecond)
	if !now.After(was.saved) {
		now = was.saved.Add(time.Microsecond)
	}
	return p.store.ReplaceAnalysis(ctx, schedulesKind, was.saved, now, text)
}

// makes tells whether reports of a kind are made at all.
func (c *Config) makes(k report.Kind) bool {
	return c.Reports.on(k) && (k != report.CapacityReport || c.Capacity.Enabled && c.Capacity.Reporting)
}

// schedule is what the configuration says of a kind.
func (c *Config) schedule(k report.Kind) reportSchedule {
	out := reportSchedule{Type: k, Made: slices.Contains(c.Reports.Kinds, string(k)), Mail: []mailing{}, Origin: ofConfiguration}
	if len(c.Mail.Recipients) > 0 && k != report.Hourly {
		out.Mail = append(out.Mail, mailing{c.Mail.Recipients, []string{best(c.Reports.Formats)}, ""})
	}
	for i := range c.Routes.Routes {
		if r := &c.Routes.Routes[i]; r.takes(k) && len(r.Recipients) > 0 {
			out.Mail = append(out.Mail, mailing{r.Recipients, r.formats(), r.Schedule})
		}
	}
	return out
}

// mostMailings bounds how many groups of people get a report of a kind at different times or in different formats.
const mostMailings = 10

// checkSchedules tells what is wrong with what is to be said of kinds, and fills in what is usual. What has the origin configuration is left to it.
func (c *Config) checkSchedules(list []reportSchedule) (said []reportSchedule, faults []httpx.FieldError) {
	seen := map[report.Kind]bool{}
	for i, x := range list {
		at := fmt.Sprintf("/schedules/%d", i)
		bad := func(under, code, format string, args ...any) {
			faults = append(faults, httpx.FieldError{Pointer: at + under, Code: code, Detail: fmt.Sprintf(format, args...)})
		}
		switch {
		case !slices.Contains(scheduledKinds(), x.Type):
			bad("/report_type", "unknown_value", "%.80q is not one of %s", x.Type, strings.Join(texts(scheduledKinds()), ", "))
		case seen[x.Type]:
			bad("/report_type", "repeated", "%s stands there twice", x.Type)
		case x.Made && !c.makes(x.Type) && x.Origin != ofConfiguration:
			bad("/made", "switched_off", "the configuration switches %s off altogether: report_generation, capacity_analysis", x.Type)
		}
		seen[x.Type] = true
		switch x.Origin {
		case ofConfiguration:
			continue
		case "", ofAPI:
		default:
			bad("/origin", "unknown_value", "%.80q is neither configuration, whose say it stays then, nor api", x.Origin)
		}
		if len(x.Mail) > mostMailings {
			bad("/mail", "too_many", "%d mailings; at most %d", len(x.Mail), mostMailings)
			continue
		}
		out := reportSchedule{Type: x.Type, Made: x.Made, Mail: []mailing{}}
		for n, m := range x.Mail {
			c.checkMailing(&m, func(field, detail string) { bad(fmt.Sprintf("/mail/%d/%s", n, field), "invalid", "%s", detail) })
			out.Mail = append(out.Mail, m)
		}
		said = append(said, out)
	}
	return said, faults
}

// checkMailing holds a mailing to what a route of the configuration is held to.
func (c *Config) checkMailing(m *mailing, bad func(field, detail string)) {
	if len(m.Formats) == 0 {
		m.Formats = []string{best(c.Reports.Formats)}
	}
	if len(m.Recipients) > maxMailTo {
		bad("recipients", fmt.Sprintf("%d addresses; at most %d", len(m.Recipients), maxMailTo))
		return
	}
	if len(m.Formats) > len(report.Formats) {
		bad("formats", fmt.Sprintf("%d formats; there are %d", len(m.Formats), len(report.Formats)))
		return
	}
	for _, f := range m.Formats {
		if slices.Contains(report.Formats, f) && !slices.Contains(c.Reports.Formats, f) {
			bad("formats", fmt.Sprintf("%s is not made; report_generation.formats says what is", f))
		}
	}
	if err := (&Route{Recipients: m.Recipients, Formats: m.Formats, Schedule: m.Schedule}).Validate(); err != nil {
		for line := range strings.Lines(err.Error()) {
			field, detail, _ := strings.Cut(strings.TrimSpace(line), ": ")
			bad(field, detail)
		}
	}
}
