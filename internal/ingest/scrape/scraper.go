package scrape

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/prom"
	"github.com/hxp-enterprise/hxp/internal/kit/sorting"
	"github.com/hxp-enterprise/hxp/internal/kit/telemetry"
)

// Intake is the road of events that are made in this process. Take returns when they are written, or with an error; the same
// events again add nothing.
type Intake interface {
	Take(ctx context.Context, events []event.Event) error
}

// Options of a Scraper.
type Options struct {
	Intake    Intake
	Hostname  string            // of this machine: what loopback addresses are called in events
	Version   string            // for the User-Agent
	Transport http.RoundTripper // nil = the network
	Log       *slog.Logger
	Registry  *telemetry.Registry
}

// Scraper reads targets.
type Scraper struct {
	cfg      Config
	take     Intake
	hostname string
	agent    string
	client   *http.Client
	log      *slog.Logger
	names    atomic.Pointer[prom.Names]
	reload   chan []Target

	mu      sync.Mutex
	targets []*target // in the order of the configuration
}

// New makes a Scraper of targets that are valid. Nothing is read before Run.
func New(cfg Config, targets []Target, names []prom.Name, o Options) *Scraper {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Transport == nil {
		o.Transport = newTransport()
	}
	s := &Scraper{cfg: cfg, take: o.Intake, hostname: o.Hostname, agent: "hxp/" + o.Version, client: newClient(o.Transport), log: o.Log, reload: make(chan []Target)}
	s.names.Store(prom.NewNames(names))
	s.targets = s.renew(targets)
	o.Registry.Register(newCollector(s))
	return s
}

// running is a target with the loop that reads it.
type running struct {
	stop  context.CancelFunc
	ended chan struct{}
}

// Run reads the targets until ctx ends, and waits for the readings under way.
func (s *Scraper) Run(ctx context.Context) error {
	loops := map[*target]running{}
	defer func() {
		s.keep(ctx, loops, nil)
		s.client.CloseIdleConnections()
	}()
	s.keep(ctx, loops, s.list())
	for {
		select {
		case <-ctx.Done():
			return nil
		case targets := <-s.reload:
			list := s.renew(targets)
			s.mu.Lock()
			s.targets = list
			s.mu.Unlock()
			s.keep(ctx, loops, list)
		}
	}
}

// Reload puts other targets and names in place. Targets that stay as they were go on with what they remember. It returns
// when Run has taken them, or ctx ends.
func (s *Scraper) Reload(ctx context.Context, targets []Target, names []prom.Name) {
	s.names.Store(prom.NewNames(names))
	select {
	case s.reload <- targets:
	case <-ctx.Done():
	}
}

func (s *Scraper) list() []*target {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.targets
}

// renew makes targets, and takes over those that are the same as before.
func (s *Scraper) renew(targets []Target) []*target {
	list := make([]*target, len(targets))
	for i, t := range targets {
		before := slices.IndexFunc(s.list(), func(o *target) bool { return reflect.DeepEqual(o.Target, t) })
		if before >= 0 {
			list[i] = s.list()[before]
		} else {
			list[i] = newTarget(s, t)
		}
	}
	return list
}

// keep ends the loops of targets that are not on the list, waits for them, and starts those that are new.
func (s *Scraper) keep(ctx context.Context, loops map[*target]running, list []*target) {
	var ending []running
	for t, r := range loops {
		if !slices.Contains(list, t) {
			r.stop()
			ending = append(ending, r)
			delete(loops, t)
		}
	}
	for _, r := range ending {
		<-r.ended
	}
	for _, t := range list {
		if _, ok := loops[t]; ok {
			continue
		}
		ctx, stop := context.WithCancel(ctx)
		r := running{stop, make(chan struct{})}
		loops[t] = r
		go func() {
			defer close(r.ended)
			t.run(ctx)
		}()
	}
}

func sortLabels(labels []prom.Label) {
	sorting.By(labels, func(a, b prom.Label) int { return strings.Compare(a.Name, b.Name) })
}
