package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hxp-enterprise/hxp/internal/alert"
	"github.com/hxp-enterprise/hxp/internal/alert/notify"
	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/serve/live"
)

// buildNotify makes what tells people.
func (s *system) buildNotify(context.Context) (run.Service, error) {
	proposals, err := s.proposals()
	if err != nil {
		return nil, err
	}
	n, err := notify.New(s.set.notify, notify.Options{
		Store: s.store, Bus: s.bus, DataDir: s.set.dataDir, Allow: s.set.webhookNets, Proposals: proposals, Tell: s.tellNotification,
		Clock: &s.steady, Version: Version, Log: s.log, Registry: s.registry(DataStreamingAPI),
	})
	if err != nil {
		return nil, err
	}
	s.notify = n
	return n, nil
}

// proposals tell what is proposed about an episode of hxp-alerts, wherever the responses run; nil when links are off.
func (s *system) proposals() (func(episode string) []notify.Proposal, error) {
	links, err := alert.NewLinks(s.set.alert)
	if links == nil || err != nil {
		return nil, err
	}
	account := s.account
	return func(episode string) (out []notify.Proposal) {
		for _, p := range account.Proposals(links, episode, s.steady.Now()) {
			out = append(out, notify.Proposal(p))
		}
		return out
	}, nil
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
