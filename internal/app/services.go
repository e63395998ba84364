package app

import (
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/kit/run"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
)

// The services by the names that operators use.
const (
	KafkaAPI           = "kafka-api"
	EventProcessingAPI = "event-processing-api"
	BatchProcessingAPI = "batch-processing-api"
	DataStreamingAPI   = "data-streaming-api"
	Scheduler          = "scheduler"
	Dashboards         = "dashboards"
	Broker             = "broker"
	Stream             = "stream"
	Lake               = "lake"
	Batch              = "batch"
	Alert              = "alert"
)

// The four dashboards by name, all of them run by the service Dashboards.
var boards = []string{"operations", "business", "performance", "system"}

// Names lists what `hxp run` takes.
var Names = []string{KafkaAPI, EventProcessingAPI, BatchProcessingAPI, DataStreamingAPI, Broker, Stream, Lake, Batch, Alert, Scheduler, Dashboards}

// services maps each name to the parts that make it. A part starts after those that it needs and stops before them, so
// whoever reads events is there before whoever brings them, and leaves after.
var services = map[string][]string{
	Broker:             {"broker"},
	Stream:             {"stream"},
	Lake:               {"lake"},
	Batch:              {"batch", "retention", "erasure"},
	Alert:              {"alert"},
	KafkaAPI:           {KafkaAPI, "scrape"},
	EventProcessingAPI: {EventProcessingAPI},
	BatchProcessingAPI: {BatchProcessingAPI},
	DataStreamingAPI:   {DataStreamingAPI},
	Scheduler:          {Scheduler, "users"},
	Dashboards:         boards,
}

// needs says what each part stands on.
func (s *system) needs() map[string][]string {
	n := map[string][]string{
		"bus":              {},
		"control":          {"bus"},
		"store":            {},
		"stream":           {"bus", "control"},
		"lake":             {"bus", "control", "store"},
		"batch":            {"lake", "store", "bus"},
		"retention":        {"batch", "lake", "store"},
		"erasure":          {"lake", "store", "bus", "control"},
		"alert":            {"bus"},
		"alert-book":       {"bus"},
		"action-book":      {"bus"},
		"live":             {"stream", "bus", "control"},
		"notify":           {"bus", "store", "live"},
		"audit":            {"bus"},
		KafkaAPI:           {"bus", "control", "audit"},
		EventProcessingAPI: {"stream", "alert-book", "audit"},
		BatchProcessingAPI: {"batch", "retention", "erasure", "audit"},
		DataStreamingAPI:   {"live", "notify", "audit"},
		Scheduler:          {"batch", "audit"},
		"users":            {Scheduler},
		"demo":             {KafkaAPI},
		"scrape":           {KafkaAPI},
		"host":             {KafkaAPI},
		"reload":           {},
		"systemd":          {},
		"clock":            {},
		"tokens":           {},
		"sessions":         {},
	}
	for _, b := range boards {
		n[b] = []string{"live"}
	}
	if s.set.embedded {
		n["broker"], n["bus"] = []string{}, []string{"broker"}
	}
	return n
}

// choice is a set of parts with everything that they need.
type choice struct {
	needs  map[string][]string
	chosen map[string]bool
}

func (c choice) add(part string) {
	if c.chosen[part] {
		return
	}
	c.chosen[part] = true
	for _, n := range c.needs[part] {
		c.add(n)
	}
}

// choose are the parts of the named services.
func (s *system) choose(names []string) (choice, error) {
	c := choice{s.needs(), map[string]bool{}}
	for _, name := range names {
		parts, ok := services[name]
		if !ok {
			return c, fmt.Errorf("there is no service %q; the services are %s", name, strings.Join(Names, ", "))
		}
		for _, p := range parts {
			if p == "broker" && !s.set.embedded {
				return c, fmt.Errorf("the embedded broker was asked for, but HXP_BROKER or KAFKA_BOOTSTRAP_SERVERS name an external one")
			}
			c.add(p)
		}
	}
	return c, nil
}

// units builds what the named services consist of, with everything that it needs.
func (s *system) units(names []string, demo bool) ([]run.Unit, error) {
	parts, err := s.choose(names)
	if err != nil {
		return nil, err
	}
	needs, chosen, choose := parts.needs, parts.chosen, parts.add
	choose("clock")
	if demo {
		choose("demo")
	}
	if chosen["batch"] { // its reports tell of alerts and what was done; the batch does not wait until they are read
		choose("alert-book")
		choose("action-book")
	}
	if chosen["notify"] && s.set.alert.ApprovalSecret != "" { // messages hold links of what is proposed, from the first one on
		choose("action-book")
		needs["notify"] = append(needs["notify"], "action-book")
	}
	if chosen[KafkaAPI] && s.set.metrics.host.On(demo) {
		choose("host")
		if demo {
			needs["host"] = append(needs["host"], "demo")
		}
	}
	if chosen[KafkaAPI] { // consumers start before producers and stop after them
		for _, reader := range []string{"stream", "lake"} {
			if chosen[reader] {
				needs[KafkaAPI] = append(needs[KafkaAPI], reader)
			}
		}
	}
	if chosen["alert"] && chosen["stream"] {
		needs["alert"] = append(needs["alert"], "stream") // it tells how far the windows are behind
	}
	if chosen["alert"] && chosen[EventProcessingAPI] {
		needs[EventProcessingAPI] = append(needs[EventProcessingAPI], "alert")
	}
	if s.keys != nil {
		for _, b := range append([]string{Scheduler}, boards...) {
			if chosen[b] {
				choose("sessions")
				needs[b] = append(needs[b], "sessions")
			}
		}
		choose("tokens")
		if chosen["audit"] {
			needs["tokens"] = []string{"audit"}
		}
	}
	if s.demo.Reload.Signals != nil {
		choose("reload")
		for _, part := range []string{"scrape", "control", "batch", "retention", "alert", "stream", "live", "notify"} { // a signal that comes early waits until they can hear it
			if chosen[part] {
				needs["reload"] = append(needs["reload"], part)
			}
		}
	}
	if s.demo.Systemd.Listener != nil {
		choose("systemd")
	}
	build := s.parts()
	var units []run.Unit
	for part := range chosen {
		units = append(units, run.Unit{Name: part, Needs: needs[part], Service: later(build[part])})
	}
	sorting.By(units, func(a, b run.Unit) int { return strings.Compare(a.Name, b.Name) })
	return units, nil
}

// CheckNames tells whether all names are services.
func CheckNames(names []string) error {
	for _, n := range names {
		if _, ok := services[n]; !ok {
			return fmt.Errorf("there is no service %q; the services are %s", n, strings.Join(Names, ", "))
		}
	}
	return nil
}
