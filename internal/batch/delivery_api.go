package batch

import (
	"context"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
)

// deliveryJSON is a delivery as clients see it.
type deliveryJSON struct {
	Report    string            `json:"report"`
	Way       string            `json:"way"`
	To        string            `json:"to"`
	State     agg.DeliveryState `json:"state"`
	Attempts  int64             `json:"attempts"`
	Uncertain int64             `json:"uncertain_attempts"` // cut before the answer: a copy with the same Message-ID may have arrived
	CreatedAt time.Time         `json:"created_at"`
	NextAt    *time.Time        `json:"next_at"` // null when it has ended
	SentAt    *time.Time        `json:"sent_at"`
	Machine   string            `json:"machine"`         // the folder of reports it is sent from
	Error     string            `json:"error,omitempty"` // of the last try
}

// deliveryState is the part delivery of GET /reports/status.
type deliveryState struct {
	Enabled bool                      `json:"enabled"`
	Mail    bool                      `json:"mail"` // a mail server is set up
	Counts  map[agg.DeliveryState]int `json:"counts"`
	Last    []deliveryJSON            `json:"last"` // the newest twenty
	Detail  string                    `json:"detail"`
}

const lastDeliveries, mostDeliveries = 20, 1000

// of are the deliveries of a report.
func (c *courier) of(ctx context.Context, report string) ([]deliveryJSON, error) {
	list, _, err := c.store.Deliveries(ctx, report, mostDeliveries)
	return shownDeliveries(list), err
}

func shownDeliveries(list []agg.Delivery) []deliveryJSON {
	out := make([]deliveryJSON, 0, len(list))
	for _, d := range list {
		x := deliveryJSON{Report: d.Report, Way: d.Way, To: d.Target, State: d.State, Attempts: d.Attempts, Uncertain: d.Uncertain, CreatedAt: d.CreatedAt, SentAt: d.SentAt, Machine: d.Machine, Error: d.Error}
		if d.State == agg.DeliveryWaiting || d.State == agg.DeliverySending {
			x.NextAt = new(d.NextAt)
		}
		out = append(out, x)
	}
	return out
}

// state tells how distribution stands.
func (c *courier) state(ctx context.Context) (deliveryState, error) {
	list, counts, err := c.store.Deliveries(ctx, "", lastDeliveries)
	if err != nil {
		return deliveryState{}, err
	}
	out := deliveryState{Enabled: c.p.s.cfg().Reports.Distribution, Mail: c.mails(), Counts: map[agg.DeliveryState]int{}, Last: shownDeliveries(list), Detail: "reports are sent when they are due, and as options.email_to asks"}
	for _, s := range agg.DeliveryStates {
		out.Counts[s] = counts[s]
	}
	switch {
	case !out.Enabled:
		out.Detail = "distribution is switched off; report_generation.distribution_enabled switches it on"
	case !c.p.s.cfg().Reports.Email:
		out.Detail = "mail is switched off; report_generation.email_enabled switches it on"
	case !out.Mail:
		out.Detail = "there is no mail server; smtp_host sets it. Reports lie in the folder and behind their url"
	}
	return out, nil
}

// post asks for a report to be mailed. Where there is no way for mail it returns a warning.
func (p *reporter) post(ctx context.Context, id string, to []string) (warnings []string, err error) {
	if len(to) == 0 {
		return nil, nil
	}
	if !p.courier.mails() {
		st, err := p.courier.state(ctx)
		return []string{"email_to: the report is not mailed: " + st.Detail}, err
	}
	for _, a := range to {
		if _, err := p.courier.queue(ctx, id, target{byMail, a}, p.s.now(), true); err != nil {
			return nil, err
		}
	}
	return nil, nil
}
