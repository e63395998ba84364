package erasure

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// Lake is the raw events at rest.
type Lake interface {
	// Erase takes events out whose field has one of the names, and what speaks of their requests, and tells each hour when it is done; a dry run
	// counts them.
	Erase(ctx context.Context, field event.Field, names []string, dryRun bool, done func(event.ErasedHour) error) ([]event.ErasedHour, error)
}

// Writer brings the topics into the lake.
type Writer interface {
	Flush(ctx context.Context) error
	Wait(ctx context.Context, until map[string]map[int32]int64) error
}

// Store is the tables of aggregates; a dimension is user_id or tenant.
type Store interface {
	CountValues(ctx context.Context, dimension string, values []string) (int64, error)
	ForgetValues(ctx context.Context, dimension string, values []string) (int64, error)
}

// Records keep one document by its kind. What does not exist is the error Deps.NotFound.
type Records interface {
	Analysis(ctx context.Context, kind string) (document []byte, at time.Time, err error)
	// ReplaceAnalysis replaces the document that was written at was, the zero time = there is none; taken is false when there is another.
	ReplaceAnalysis(ctx context.Context, kind string, was, at time.Time, document []byte) (taken bool, err error)
}

// Topics are the logs of events and of what was made of them; see Logs.
type Topics interface {
	Find(ctx context.Context, names []string) ([]Topic, error)
	// Shorten tells what is done and what comes next before each cut; an error ends it there.
	Shorten(ctx context.Context, names []string, w Words, dryRun bool, next func([]Topic) error) ([]Topic, error)
}

// Deps are what app connects. All but Log and Now are needed.
type Deps struct {
	Lake     Lake
	Writer   Writer
	Store    Store
	Records  Records
	NotFound error
	Topics   Topics
	// Ends are the offsets before which everything lies that was acknowledged by now.
	Ends func(ctx context.Context) (map[string]map[int32]int64, error)
	// Settled waits until the aggregations that are under way have stored what they read before.
	Settled func(ctx context.Context) error
	// Elsewhere lists the places that this service cannot look through.
	Elsewhere func(ctx context.Context, hours []event.ErasedHour) ([]Left, error)
	// Names are the forms in which a name may lie in what is stored.
	Names func(f event.Field, name string) []string
	Log   *slog.Logger
	Now   func() time.Time
}

// fields are what one can ask for.
var fields = map[string]event.Field{"user_id": event.UserID, "tenant": event.Tenant}

// Service carries erasures out. Make it with New, Mount its API, and Run it once.
type Service struct {
	deps  Deps
	log   *slog.Logger
	queue chan job

	mu      sync.Mutex
	current *Record // that is carried out; its fields belong to Run
	last    *Record // that ended here
}

type job struct {
	record *Record
	name   string
	words  Words
	lease  *lease // nil = it is a dry run
	done   chan struct{}
}

// New puts the service together. It starts nothing.
func New(d Deps) (*Service, error) {
	if d.Lake == nil || d.Writer == nil || d.Store == nil || d.Records == nil || d.NotFound == nil || d.Ends == nil || d.Settled == nil || d.Topics == nil || d.Elsewhere == nil || d.Names == nil {
		return nil, errors.New("erasure: a dependency is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return &Service{deps: d, log: d.Log, queue: make(chan job)}, nil
}

// Run carries out what is asked for until ctx ends. What is under way then ends with an error in its record.
func (s *Service) Run(ctx context.Context) error {
	for {
		select {
		case j := <-s.queue:
			s.work(ctx, j)
		case <-ctx.Done():
			return nil
		}
	}
}

// start hands a request to Run. A dry run changes nothing, so it may run beside another instance.
func (s *Service) start(ctx context.Context, by, name string, w Words, dryRun bool) (_ *Record, _ <-chan struct{}, err error) {
	j := job{record: newRecord(by, name, w, dryRun, s.deps.Now()), name: name, words: w, done: make(chan struct{})}
	shown := *j.record // the record itself is Run's until done
	s.mu.Lock()
	if s.current != nil {
		s.mu.Unlock()
		return nil, nil, errBusy
	}
	s.current = &shown
	s.mu.Unlock()
	if !dryRun {
		j.lease, err = s.take(ctx, j.record.ID)
	}
	if err == nil {
		select {
		case s.queue <- j:
			return j.record, j.done, nil
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if j.lease != nil {
			j.lease.free(ctx)
		}
	}
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	return nil, nil, err
}

// Where the records are kept: the chain, and what has begun and not ended. The latter is written before anything leaves, after each hour and before
// each topic is cut, so that an erasure whose process is killed is known, with what it did.
const (
	kind      = "erasures"
	kindBegun = "erasures_begun"
)

// endless is said of a record that has no end and is not carried out here.
const endless = "its end was not written: another instance carries it out, or its process was killed; the same request again goes on with what is left"

// keepWithin is how long writing a record may take.
const keepWithin = 30 * time.Second

// records returns all of them, the oldest first.
func (s *Service) records(ctx context.Context) ([]*Record, error) {
	all, _, err := s.written(ctx, kind)
	return all, err
}

// begun returns those that have begun and are not among the ended.
func (s *Service) begun(ctx context.Context, ended []*Record) ([]*Record, error) {
	all, _, err := s.written(ctx, kindBegun)
	return without(all, ended), err
}

func without(all, others []*Record) []*Record {
	return slices.DeleteFunc(all, func(r *Record) bool {
		return slices.ContainsFunc(others, func(o *Record) bool { return o.ID == r.ID })
	})
}

// written are the records of a document, with the time at which they were written down.
func (s *Service) written(ctx context.Context, kind string) (all []*Record, at time.Time, err error) {
	text, at, err := s.deps.Records.Analysis(ctx, kind)
	if errors.Is(err, s.deps.NotFound) {
		return nil, time.Time{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	return all, at, err
}

// change writes what fn makes of a document, anew when another instance has changed it meanwhile.
func (s *Service) change(ctx context.Context, kind string, fn func([]*Record) ([]*Record, error)) error {
	ctx, cancel := context.WithTimeout(ctx, keepWithin)
	defer cancel()
	for taken := false; !taken; {
		all, was, err := s.written(ctx, kind)
		if err != nil {
			return err
		}
		if all, err = fn(all); err != nil {
			return err
		}
		text, err := json.Marshal(all)
		if err != nil {
			return err
		}
		if taken, err = s.deps.Records.ReplaceAnalysis(ctx, kind, was, s.moment(was), text); err != nil {
			return err
		}
	}
	return nil
}

// moment is the time of a document that replaces one: another one, by which whoever read the one before is told.
func (s *Service) moment(was time.Time) time.Time {
	now := s.deps.Now().UTC().Truncate(time.Microsecond)
	if now.Equal(was) {
		now = was.Add(time.Microsecond)
	}
	return now
}

// keep adds a record to the chain, behind those that other instances add at the same moment.
func (s *Service) keep(ctx context.Context, r *Record) error {
	err := s.change(ctx, kind, func(all []*Record) ([]*Record, error) {
		prev := ""
		if len(all) > 0 {
			prev = all[len(all)-1].Hash
		}
		return append(all, r), r.seal(prev)
	})
	if err != nil {
		r.PrevHash, r.Hash = "", ""
	}
	return err
}

// noteBegun writes down how far an erasure has come, and forgets those that have ended.
func (s *Service) noteBegun(ctx context.Context, r *Record) error {
	ended, err := s.records(ctx)
	if err != nil {
		return err
	}
	return s.change(ctx, kindBegun, func(all []*Record) ([]*Record, error) {
		return append(without(all, append(ended, r)), r), nil
	})
}

// Erased is how many events of an hour have left the lake although they are counted.
func (s *Service) Erased(ctx context.Context, hour int64) (n int64, err error) {
	all, err := s.records(ctx)
	if err != nil {
		return 0, err
	}
	open, err := s.begun(ctx, all)
	for _, r := range slices.Concat(all, open) {
		for _, h := range r.Hours {
			if h.Hour.Unix() == hour {
				n += h.Rows
			}
		}
	}
	return n, err
}
