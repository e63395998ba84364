package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/quota"
)

// People are told of quotas as they are of budgets: by an event on hxp-alerts with the label kind=quota. Each sender or tenant is told of
// once a day and limit; the id follows from these, so that a restart or another instance tells nobody twice. Telling holds nobody up: what
// finds no room is let go, and told at the next time that the quota is met.

// nearlyUsed is the share of the day's quota after which people are told that little is left.
const nearlyUsed = 0.9

// tale is one thing to tell.
type tale struct {
	rule     string
	severity string
	whose    string // sender or tenant
	name     string
	limit    quota.Limit
	value    float64 // brought
	quota    float64
	at       time.Time
	text     string
}

// quotaAlert is a tale as a record of hxp-alerts. It has lapsed when it is told: the next day nobody ends it.
type quotaAlert struct {
	ID        string            `json:"id"`
	Rule      string            `json:"rule"`
	State     string            `json:"state"`
	Severity  string            `json:"severity"`
	Key       string            `json:"key"`
	Labels    map[string]string `json:"labels"`
	Texts     map[string]string `json:"annotations"`
	Once      bool              `json:"once"`
	At        time.Time         `json:"at"`
	StartsAt  time.Time         `json:"starts_at"`
	EndsAt    time.Time         `json:"ends_at"`
	Window    quotaDay          `json:"window"`
	Value     float64           `json:"value"`
	Threshold float64           `json:"threshold"`

	Top        []string `json:"top"`
	RequestIDs []string `json:"request_ids"`
}

type quotaDay struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

func (t *tale) message() (*bus.Message, error) {
	at := t.at.UTC()
	day := at.Truncate(24 * time.Hour)
	sum := sha256.Sum256([]byte(t.whose + "\x00" + t.name))
	a := quotaAlert{
		ID: fmt.Sprintf("%s-%s-%s", t.rule, hex.EncodeToString(sum[:8]), day.Format(time.DateOnly)), Rule: t.rule, State: "lapsed", Severity: t.severity, Key: t.name,
		Labels: map[string]string{"kind": "quota", t.whose: t.name, "limit": string(t.limit)}, Texts: map[string]string{"summary": t.text}, Once: true,
		At: at, StartsAt: at, EndsAt: at, Window: quotaDay{day, day.Add(24 * time.Hour)}, Value: t.value, Threshold: t.quota, Top: []string{}, RequestIDs: []string{},
	}
	value, err := json.Marshal(a)
	return &bus.Message{Topic: event.TopicAlerts, Key: []byte(a.ID), Value: value}, err
}

// maxTales is how many wait to be told.
const maxTales = 64

// tellOf offers a verdict about a sender or tenant to be told, when it says something new.
func (a *API) tellOf(b *quota.Book, whose, name string, v *quota.Verdict) {
	if v.Never { // a body that no day has room for: its sender hears so, and nothing is used up
		return
	}
	now := a.now()
	for _, s := range v.States {
		t := tale{whose: whose, name: name, limit: s.Limit, quota: float64(s.Quota), value: float64(s.Quota - s.Remaining), at: now}
		switch {
		case v.Exceeded == s.Limit && s.Limit == quota.Day:
			t.rule, t.severity = "IngestQuotaReached", "critical"
			t.text = fmt.Sprintf("The %s %s has brought its %d events of the day (UTC); what it sends until midnight is answered 429 and not taken", whose, name, s.Quota)
		case v.Exceeded == s.Limit:
			t.rule, t.severity = "IngestRateLimited", "warning"
			t.text = fmt.Sprintf("The %s %s sends faster than it may; what is too much is answered 429 with Retry-After", whose, name)
		case s.Limit == quota.Day && t.value >= nearlyUsed*t.quota:
			t.rule, t.severity = "IngestQuotaNearlyReached", "warning"
			t.text = fmt.Sprintf("The %s %s has brought %.0f of its %d events of the day (UTC)", whose, name, t.value, s.Quota)
		default:
			continue
		}
		if !b.FirstTold(name, t.rule, now) {
			continue
		}
		select {
		case a.tales <- t:
		default:
			b.NotTold(name, t.rule)
		}
	}
}

// tellTales writes what is to be told until ctx ends.
func (a *API) tellTales(ctx context.Context) {
	for {
		select {
		case t := <-a.tales:
			m, err := t.message()
			if err == nil {
				limited, cancel := context.WithTimeout(ctx, a.settings().Timeout)
				err = a.out.Send(limited, []*bus.Message{m})
				cancel()
			}
			if err != nil && ctx.Err() == nil {
				a.log.Warn("nobody was told of a quota", "rule", t.rule, t.whose, t.name, "error", err)
			}
		case <-ctx.Done():
			return
		}
	}
}
