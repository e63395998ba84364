package app

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"github.com/hxp-enterprise/hxp/internal/agg"
	"github.com/hxp-enterprise/hxp/internal/bus"
	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/httpx"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
	"github.com/hxp-enterprise/hxp/internal/stream"
	"github.com/hxp-enterprise/hxp/internal/stream/alerts"
)

// buildLive makes the hub with everything that can be listened to.
func (s *system) buildLive(context.Context) (run.Service, error) {
	metrics := serve.NewMetrics(s.stream, time.Duration(s.set.stream.WindowSeconds)*time.Second)
	metrics.Of = func(tenant string) serve.Windows { return tenantWindows{s.stream, tenant} }
	cfg := s.set.serve.Live()
	cfg.Version = Version
	s.hub = live.New(cfg, s.log.With("service", DataStreamingAPI), metrics.Topic(),
		byTenant(serve.Follow(s.bus, "events", true, serve.Events(s.set.stream.Events, s.records()), inputTopics()...)),
		byTenant(serve.Follow(s.bus, "alerts", false, serve.EachRecord(tellAlert), event.TopicAlerts)),
		byTenant(serve.Follow(s.bus, "correlations", true, serve.EachRecord(tellCorrelations), event.TopicCorrelations)),
		serve.Follow(s.bus, "responses", false, serve.EachRecord(tellResponse), event.TopicResponses),
		live.Topic{Name: "notifications"},
		serve.Health(s.liveHealth().Report),
	)
	s.hub.Observe(s.registry(DataStreamingAPI))
	return s.hub, nil
}

// byTenant marks a topic whose happenings name their tenant.
func byTenant(t live.Topic) live.Topic {
	t.Tenants = true
	return t
}

// tenantWindows are the windows of what is of one tenant.
type tenantWindows struct {
	stream *stream.Service
	tenant string
}

// Widen is part of serve.Windows.
func (w tenantWindows) Widen(from, to time.Time) (time.Time, time.Time) {
	return w.stream.Widen(from, to)
}

// Window is part of serve.Windows.
func (w tenantWindows) Window(from, to time.Time) (overall *agg.Cell, models map[string]*agg.Cell, watermark time.Time, completeness float64) {
	return w.stream.WindowOf(w.tenant, from, to)
}

func inputTopics() (topics []string) {
	for _, k := range event.Kinds {
		topics = append(topics, k.Topic())
	}
	return topics
}

// liveHealth is what the topic "health" tells: the checks of the parts that the streams stand on.
func (s *system) liveHealth() *httpx.Health {
	h := httpx.NewHealth(DataStreamingAPI, Version)
	for name, check := range s.busChecks() {
		h.Add(name, check)
	}
	h.Add("windows", s.checkWindows)
	return h
}

// tellAlert tells a decision as GET /alerts shows the alert. What lapsed is none.
func tellAlert(out []live.Happening, m *bus.Message, _ serve.Room) []live.Happening {
	a, err := alerts.Decode(m.Value)
	if err != nil || a.Lapsed() {
		return out
	}
	data, err := json.Marshal(a)
	if err != nil {
		return out
	}
	model := a.Key["model"]
	if model == "" {
		model = a.Labels["model"]
	}
	return append(out, live.Happening{Time: m.Timestamp, Model: model, Tenant: a.Tenant(), Data: data})
}

// tellCorrelations tells joined requests as GET /correlations shows them.
func tellCorrelations(out []live.Happening, m *bus.Message, room serve.Room) []live.Happening {
	_ = stream.ReadJoined(m.Value, func(about stream.JoinedAbout, v *stream.JoinedView) { // what cannot be read is the stream's to complain of
		h := live.Happening{Time: m.Timestamp, Model: about.Model, Tenant: about.Tenant}
		if room(h.Model, h.Tenant) {
			h.Data, _ = json.Marshal(v) // made of texts and numbers
		}
		out = append(out, h)
	})
	return out
}

// tellResponse tells a record of the audit log as it was written.
func tellResponse(out []live.Happening, m *bus.Message, _ serve.Room) []live.Happening {
	var r struct {
		What  string `json:"what"`
		Order struct {
			Key map[string]string `json:"key"`
		} `json:"order"`
	}
	var line bytes.Buffer
	if json.Unmarshal(m.Value, &r) != nil || r.What == "" || json.Compact(&line, m.Value) != nil {
		return out
	}
	return append(out, live.Happening{Time: m.Timestamp, Model: r.Order.Key["model"], Data: line.Bytes()})
}
