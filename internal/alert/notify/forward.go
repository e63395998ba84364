package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify/core"
	"github.com/hxp-enterprise/hxp/internal/alert/notify/label"
	"github.com/hxp-enterprise/hxp/internal/kit/deliver"
)

// The rhythm of what goes to Alertmanagers: what changed at once, everything each minute, with an end that lies a few minutes ahead, as
// Prometheus does. An Alertmanager that hears nothing more lets the alert end by itself.
const (
	forwardLook   = time.Second
	forwardAgain  = time.Minute
	forwardAhead  = 4 * forwardAgain
	forwardBatch  = 64
	forwardLimit  = 10 * time.Second
	forwardEnding = 15 * time.Minute // for which an alert that is over is repeated
)

// postable is an alert in the shape of API v2.
type postable struct {
	Labels       label.Set `json:"labels"`
	Annotations  label.Set `json:"annotations,omitempty"`
	StartsAt     time.Time `json:"startsAt"`
	EndsAt       time.Time `json:"endsAt,omitzero"`
	GeneratorURL string    `json:"generatorURL,omitempty"`
}

// outgoing is what one Alertmanager was told of an alert.
type outgoing struct {
	postable
	sent time.Time
	over time.Time
}

// forward keeps all Alertmanagers informed of what hxp itself alerts of, while this instance is the owner. What came from others is not
// sent on: it would go in a circle.
func (s *Service) forward(ctx context.Context) {
	client := &http.Client{Timeout: forwardLimit, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	known := map[string]map[label.Fingerprint]*outgoing{}
	tick := time.NewTicker(forwardLook)
	defer tick.Stop()
	for {
		addresses := s.cfg.Load().Alertmanagers
		maps.DeleteFunc(known, func(address string, _ map[label.Fingerprint]*outgoing) bool {
			return !slices.Contains(addresses, address)
		})
		for _, address := range addresses {
			if known[address] == nil {
				known[address] = map[label.Fingerprint]*outgoing{}
			}
			s.forwardTo(ctx, client, address, known[address])
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// forwardTo sends one Alertmanager what it should hear now.
func (s *Service) forwardTo(ctx context.Context, client *http.Client, address string, told map[label.Fingerprint]*outgoing) {
	now := time.Now()
	s.look(func(e *core.Engine) { gatherOutgoing(e.Own(now), told, now) })
	var due []*outgoing
	for fp, o := range told {
		if !o.over.IsZero() && now.Sub(o.over) > forwardEnding {
			delete(told, fp)
		} else if now.Sub(o.sent) >= forwardAgain {
			due = append(due, o)
		}
	}
	for len(due) > 0 && ctx.Err() == nil {
		n := min(len(due), forwardBatch)
		if err := post(ctx, client, address, due[:n], now); err != nil {
			s.metrics.forwarded.WithLabelValues("failed").Inc()
			if ctx.Err() == nil {
				s.log.Warn("alerts were not taken by an Alertmanager, trying again", "error", err)
			}
			return // the next look tries again
		}
		s.metrics.forwarded.WithLabelValues("sent").Inc()
		for _, o := range due[:n] {
			o.sent = now
		}
		due = due[n:]
	}
}

// gatherOutgoing notes what fires and what no longer does.
func gatherOutgoing(firing map[label.Fingerprint]*core.Alert, told map[label.Fingerprint]*outgoing, now time.Time) {
	for fp, a := range firing {
		o := told[fp]
		if o == nil || !o.over.IsZero() {
			o = &outgoing{}
			told[fp] = o
		}
		o.postable = postable{a.Labels, a.Annotations, a.StartsAt, time.Time{}, a.GeneratorURL}
	}
	for fp, o := range told {
		if firing[fp] == nil && o.over.IsZero() {
			o.over, o.sent = now, time.Time{}
		}
	}
}

func post(ctx context.Context, client *http.Client, address string, alerts []*outgoing, now time.Time) error {
	list := make([]postable, len(alerts))
	for i, o := range alerts {
		list[i] = o.postable
		if list[i].EndsAt = o.over.UTC(); o.over.IsZero() {
			list[i].EndsAt = now.Add(forwardAhead).UTC()
		}
	}
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(address, "/")+"/api/v2/alerts", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return deliver.Plain(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // its status counts
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return nil
}
