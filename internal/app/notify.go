package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// buildNotify makes what tells people.
func (s *system) buildNotify(context.Context) (run.Service, error) {
	n, err := notify.New(s.set.notify, notify.Options{
		Store: s.store, Bus: s.bus, DataDir: s.set.dataDir, Allow: s.set.webhookNets, Proposals: s.proposals, Tell: s.tellNotification,
		Version: Version, Log: s.log, Registry: s.registry(DataStreamingAPI),
	})
	if err != nil {
		return nil, err
	}
	s.notify = n
	return n, nil
}

// proposals are what responses that run in this process propose about an episode of hxp-alerts.
func (s *system) proposals(episode string) (out []notify.Proposal) {
	s.mu.Lock()
	a := s.alert
	s.mu.Unlock()
	if a == nil {
		return nil
	}
	for _, p := range a.Proposals(episode) {
		out = append(out, notify.Proposal(p))
	}
	return out
}

// tellNotification hands what becomes of notifications to streams.
func (s *system) tellNotification(data any) {
	text, err := json.Marshal(data)
	if err != nil {
		s.log.Error("what became of a notification cannot be written as JSON", "error", err)
		return
	}
	s.hub.Tell("notifications", live.Happening{Time: time.Now(), Data: text})
}
