package ruleset

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Origin is the layer that a rule comes from.
type Origin string

// The layers, the lowest first.
const (
	FromPack Origin = "pack"
	FromFile Origin = "file"
	FromAPI  Origin = "api"
)

// layered is a rule in one layer.
type layered struct {
	rule   *rule.Rule
	text   []byte // canonical JSON
	etag   string // version of its content, the tests included
	origin Origin
	place  string // FILE:LINE of a file's
}

func newLayered(r *rule.Rule, origin Origin, place string) *layered {
	text, err := json.Marshal(r)
	if err != nil {
		panic("ruleset: " + err.Error()) // only finite numbers and texts are decoded
	}
	sum := sha256.Sum256(text)
	return &layered{r, text, hex.EncodeToString(sum[:10]), origin, place}
}

// entry is what there is of a name.
type entry struct {
	*layered          // what counts, or what a tombstone switches off
	enabled  bool     // false under a tombstone
	below    *layered // what lies under a rule that was put
	change   *change  // what the API said of the name; nil = nothing
}

// view is what counts at a moment. It is never changed.
type view struct {
	names      []string // in order
	entries    map[string]*entry
	rules      []rule.Rule
	generation uint64
}

// Set is the rules in their layers. It is a bus.ControlState of the records under Prefix. Its methods may be called from any
// goroutine.
type Set struct {
	mu       sync.Mutex
	below    map[string]*layered // pack and files
	commands commands
	whole    bool // the commands are: the control log was read to what was its end
	changed  chan struct{}

	now atomic.Pointer[view]
}

// New makes the set of the rules that come with hxp and of those of files.
func New(files []FileRule) *Set {
	s := &Set{changed: make(chan struct{})}
	s.commands.reset()
	s.lay(files)
	s.publish()
	return s
}

// Current returns the rules that count, by name, and the number of this state of affairs. The slice is shared: do not change it.
func (s *Set) Current() (rules []rule.Rule, generation uint64) {
	v := s.now.Load()
	return v.rules, v.generation
}

// Changed is closed when other rules count than at the call.
func (s *Set) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// SetFiles puts the rules of files in the place of those of before.
func (s *Set) SetFiles(files []FileRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lay(files)
	s.publish()
}

func (s *Set) lay(files []FileRule) {
	s.below = map[string]*layered{}
	for _, r := range rule.Pack() {
		s.below[r.Name] = newLayered(&r, FromPack, "")
	}
	for _, f := range files {
		s.below[f.Rule.Name] = newLayered(&f.Rule, FromFile, f.Place())
	}
}

// find returns what there is of a name, nil for nothing.
func (s *Set) find(name string) *entry { return s.now.Load().entries[name] }

// publish lets what the layers say count.
func (s *Set) publish() {
	next := &view{entries: map[string]*entry{}}
	for name, l := range s.below {
		next.entries[name] = &entry{layered: l, enabled: true}
	}
	for name, c := range s.commands.changes {
		under := s.below[name]
		switch {
		case c.rule != nil:
			next.entries[name] = &entry{layered: c.rule, enabled: true, below: under, change: c}
		case under != nil:
			next.entries[name] = &entry{layered: under, below: under, change: c}
		}
	}
	next.names = slices.SortedFunc(maps.Keys(next.entries), strings.Compare)
	for _, name := range next.names {
		if e := next.entries[name]; e.enabled {
			next.rules = append(next.rules, *e.rule)
		}
	}
	before := s.now.Load()
	if before != nil {
		next.generation = before.generation
		if slices.EqualFunc(before.rules, next.rules, func(a, b rule.Rule) bool {
			return a.Name == b.Name && before.entries[a.Name].etag == next.entries[b.Name].etag
		}) {
			s.now.Store(next)
			return
		}
	}
	next.generation++
	s.now.Store(next)
	close(s.changed)
	s.changed = make(chan struct{})
}

// Anomaly tells whether a rule that counts compares a metric with its own past, and which.
func (s *Set) Anomaly(name string) (metric string, ok bool) {
	e := s.find(name)
	if e == nil || !e.enabled || e.rule.Type != rule.Anomaly {
		return "", false
	}
	return e.rule.Metric, true
}
