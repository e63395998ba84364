package registry

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// Prefix is that of the keys of this registry's commands in the control log; the subject follows.
const Prefix = "schema/"

// The limits of one registry.
const (
	maxSubjects = 10_000
	maxVersions = 1_000    // of a subject
	maxTexts    = 64 << 20 // bytes of all schemas
	maxResults  = 1_000    // outcomes that are remembered for those who asked
)

// State is what the control log says of schemas. It is a bus.ControlState; its zero value is not ready, use NewState.
type State struct {
	mu       sync.RWMutex
	schemas  map[uint32]*Schema // never shrinks
	subjects map[string]*subject
	settings settings // of all subjects
	rev      int64    // offset behind the last change of settings
	bytes    int
	results  map[string]outcome
	asked    []string // keys of results, oldest first
}

// settings of one subject, or of all of them. Empty = not set.
type settings struct {
	Level Level `json:"compatibility,omitempty"`
	Mode  Mode  `json:"mode,omitempty"`
}

// Mode says whether schemas may be registered.
type Mode string

// The modes.
const (
	ReadWrite Mode = "READWRITE"
	ReadOnly  Mode = "READONLY"
)

type subject struct {
	settings
	versions []version // by number
	rev      int64     // offset behind the last change
}

type version struct {
	number  int
	schema  *Schema
	deleted bool // softly: still to be had when asked for
}

// command is a record of the control log.
type command struct {
	Op        string `json:"op"`
	ID        string `json:"id"` // random: finds its outcome, and is applied once
	Type      Type   `json:"type,omitempty"`
	Schema    string `json:"schema,omitempty"`
	Seen      int64  `json:"seen,omitempty"` // revision of the subject that the verdict rests on
	Version   int    `json:"version,omitempty"`
	Permanent bool   `json:"permanent,omitempty"`
	Level     Level  `json:"level,omitempty"`
	Mode      Mode   `json:"mode,omitempty"`
}

// The operations.
const (
	opRegister      = "register"
	opDeleteVersion = "delete_version"
	opDeleteSubject = "delete_subject"
	opSetLevel      = "set_level" // no level = back to the general one
	opSetMode       = "set_mode"
)

// outcome is what became of a command.
type outcome struct {
	schema  *Schema
	version int
	numbers []int  // versions that were deleted
	stale   bool   // the subject has changed since the verdict
	fault   *Fault // refused
}

// NewState returns the state of an empty log.
func NewState() *State {
	s := &State{}
	s.Reset()
	return s
}

// Reset forgets everything.
func (s *State) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schemas, s.subjects, s.results = map[uint32]*Schema{}, map[string]*subject{}, map[string]outcome{}
	s.settings, s.rev, s.bytes, s.asked = settings{Level: Backward, Mode: ReadWrite}, 0, 0, nil
}

// Apply takes a command. What it decides depends on nothing but the commands before.
func (s *State) Apply(key string, value []byte, offset int64) error {
	var c command
	if err := json.Unmarshal(value, &c); err != nil {
		return fmt.Errorf("not a command: %w", err)
	}
	name := strings.TrimPrefix(key, Prefix)
	if c.ID == "" || len(c.ID) > 64 || len(name) > 4*maxSubject {
		return errors.New("not a command: no id, or a subject that is too long")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, again := s.results[c.ID]; again {
		return nil
	}
	out, err := s.apply(name, &c, offset+1)
	if err != nil {
		return err
	}
	if s.asked = append(s.asked, c.ID); len(s.asked) > maxResults {
		delete(s.results, s.asked[0])
		s.asked = s.asked[1:]
	}
	s.results[c.ID] = out
	return nil
}

func (s *State) apply(name string, c *command, rev int64) (outcome, error) {
	switch c.Op {
	case opRegister:
		return s.register(name, c, rev)
	case opDeleteVersion:
		return s.deleteVersion(name, c, rev), nil
	case opDeleteSubject:
		return s.deleteSubject(name, c, rev), nil
	case opSetLevel:
		return s.set(name, c, rev, func(to *settings) { to.Level = c.Level }), nil
	case opSetMode:
		return s.set(name, c, rev, func(to *settings) { to.Mode = c.Mode }), nil
	}
	return outcome{}, fmt.Errorf("operation %q is not known here", c.Op)
}

func (s *State) register(name string, c *command, rev int64) (outcome, error) {
	sum, err := sumOf(c.Type, c.Schema)
	if err != nil {
		return outcome{}, fmt.Errorf("schema of subject %q: %w", name, err)
	}
	if v := s.same(name, sum); v != nil {
		return outcome{schema: v.schema, version: v.number}, nil
	}
	if s.revision(name) != c.Seen {
		return outcome{stale: true}, nil
	}
	if s.settingsOf(name).Mode == ReadOnly {
		return outcome{fault: readOnly(name)}, nil
	}
	sub := s.subjects[name]
	if sub == nil && len(s.subjects) >= maxSubjects || sub != nil && len(sub.versions) >= maxVersions || s.bytes+len(c.Schema) > maxTexts {
		return outcome{fault: faultf(CodeFull, "The registry is full: at most %d subjects, %d versions of each and %d MiB of schemas are kept", maxSubjects, maxVersions, maxTexts>>20)}, nil
	}
	if sub == nil {
		sub = &subject{}
		s.subjects[name] = sub
	}
	v := version{number: 1, schema: s.keep(c.Type, c.Schema, sum)}
	if n := len(sub.versions); n > 0 {
		v.number = sub.versions[n-1].number + 1
	}
	sub.versions, sub.rev = append(sub.versions, v), rev
	return outcome{schema: v.schema, version: v.number}, nil
}

// same finds the version of a subject, not deleted, that is equal to a schema.
func (s *State) same(name string, sum [sha256.Size]byte) *version {
	if sub := s.subjects[name]; sub != nil {
		for i := range slices.Backward(sub.versions) {
			v := &sub.versions[i]
			if !v.deleted && v.schema.sum == sum {
				return v
			}
		}
	}
	return nil
}

// keep gives a schema its id.
func (s *State) keep(t Type, text string, sum [sha256.Size]byte) *Schema {
	for id := wish(sum); ; id = max((id+1)&^(1<<31), 1) {
		have, taken := s.schemas[id]
		if !taken {
			x := &Schema{ID: id, Type: t, Text: text, sum: sum}
			s.schemas[id] = x
			s.bytes += len(text)
			return x
		}
		if have.sum == sum {
			return have
		}
	}
}

// revision is that of a subject, with the settings that hold for it.
func (s *State) revision(name string) int64 {
	if sub := s.subjects[name]; sub != nil {
		return max(sub.rev, s.rev)
	}
	return s.rev
}

func (s *State) settingsOf(name string) settings {
	out := s.settings
	if sub := s.subjects[name]; sub != nil {
		if sub.Level != "" {
			out.Level = sub.Level
		}
		if sub.Mode != "" {
			out.Mode = sub.Mode
		}
	}
	return out
}

func (s *State) deleteVersion(name string, c *command, rev int64) outcome {
	sub := s.subjects[name]
	if sub == nil || len(sub.versions) == 0 {
		return outcome{fault: noSubject(name)}
	}
	i := slices.IndexFunc(sub.versions, func(v version) bool { return v.number == c.Version })
	switch {
	case i < 0:
		return outcome{fault: noVersion(c.Version)}
	case s.settingsOf(name).Mode == ReadOnly:
		return outcome{fault: readOnly(name)}
	case c.Permanent && !sub.versions[i].deleted:
		return outcome{fault: faultf(CodeVersionNotSoft, "Subject '%s' Version %d was not deleted first before being permanently deleted", name, c.Version)}
	case !c.Permanent && sub.versions[i].deleted:
		return outcome{fault: faultf(CodeVersionSoft, "Subject '%s' Version %d was soft deleted. Set permanent=true to delete permanently", name, c.Version)}
	case c.Permanent:
		sub.versions = slices.Delete(slices.Clone(sub.versions), i, i+1)
	default:
		sub.versions[i].deleted = true
	}
	sub.rev = rev
	s.forget(name)
	return outcome{numbers: []int{c.Version}}
}

func (s *State) deleteSubject(name string, c *command, rev int64) outcome {
	sub := s.subjects[name]
	if sub == nil || len(sub.versions) == 0 {
		return outcome{fault: noSubject(name)}
	}
	live := slices.ContainsFunc(sub.versions, func(v version) bool { return !v.deleted })
	switch {
	case s.settingsOf(name).Mode == ReadOnly:
		return outcome{fault: readOnly(name)}
	case c.Permanent && live:
		return outcome{fault: faultf(CodeSubjectNotSoft, "Subject '%s' was not deleted first before being permanently deleted", name)}
	case !c.Permanent && !live:
		return outcome{fault: faultf(CodeSubjectSoft, "Subject '%s' was soft deleted. Set permanent=true to delete permanently", name)}
	}
	var out outcome
	for i := range sub.versions {
		if c.Permanent || !sub.versions[i].deleted {
			out.numbers = append(out.numbers, sub.versions[i].number)
		}
		sub.versions[i].deleted = true
	}
	if c.Permanent {
		sub.versions = nil
	}
	sub.rev, sub.Level = rev, "" // a subject that is gone has no rules of its own
	s.forget(name)
	return out
}

// forget drops a subject of which nothing is left. Its revision must not go back, so it moves into that of all.
func (s *State) forget(name string) {
	if sub := s.subjects[name]; sub != nil && len(sub.versions) == 0 && sub.settings == (settings{}) {
		s.rev = max(s.rev, sub.rev)
		delete(s.subjects, name)
	}
}

// set changes settings; name "" means those of all subjects.
func (s *State) set(name string, c *command, rev int64, change func(*settings)) outcome {
	if name == "" {
		change(&s.settings)
		if s.settings.Level == "" {
			s.settings.Level = Backward
		}
		if s.settings.Mode == "" {
			s.settings.Mode = ReadWrite
		}
		s.rev = rev
		return outcome{}
	}
	sub := s.subjects[name]
	if sub == nil {
		if len(s.subjects) >= maxSubjects {
			return outcome{fault: faultf(CodeFull, "The registry is full: at most %d subjects are kept", maxSubjects)}
		}
		sub = &subject{}
		s.subjects[name] = sub
	}
	change(&sub.settings)
	sub.rev = rev
	s.forget(name)
	return outcome{}
}

// result is the outcome of a command that was applied here.
func (s *State) result(id string) (outcome, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out, ok := s.results[id]
	return out, ok
}

// Schema returns the schema of an id.
func (s *State) Schema(id uint32) (*Schema, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x, ok := s.schemas[id]
	return x, ok
}

// Version is one version of a subject, for those who look.
type Version struct {
	Subject string
	Number  int
	Schema  *Schema
	Deleted bool
}

// versions lists those of a subject, oldest first; with deleted, also the softly deleted ones. False = no such subject.
func (s *State) versions(name string, deleted bool) ([]Version, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	sub := s.subjects[name]
	if sub == nil {
		return nil, false
	}
	var out []Version
	for _, v := range sub.versions {
		if deleted || !v.deleted {
			out = append(out, Version{name, v.number, v.schema, v.deleted})
		}
	}
	return out, len(out) > 0
}

// names lists the subjects, in order.
func (s *State) names() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.subjects))
}

// uses lists the versions that have a schema.
func (s *State) uses(id uint32, deleted bool) []Version {
	var out []Version
	for _, name := range s.names() {
		list, _ := s.versions(name, deleted)
		for _, v := range list {
			if v.Schema.ID == id {
				out = append(out, v)
			}
		}
	}
	return out
}

// rules are the settings of a subject ("" = of all) as they were set, and as they hold.
func (s *State) rules(name string) (own, hold settings) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if name == "" {
		return s.settings, s.settings
	}
	if sub := s.subjects[name]; sub != nil {
		own = sub.settings
	}
	return own, s.settingsOf(name)
}

// before is what a new schema of a subject is judged by: the versions so far, the rules, and the revision of all that.
func (s *State) before(name string) (schemas []*Schema, rules settings, rev int64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if sub := s.subjects[name]; sub != nil {
		for _, v := range sub.versions {
			if !v.deleted {
				schemas = append(schemas, v.schema)
			}
		}
	}
	return schemas, s.settingsOf(name), s.revision(name)
}

// find returns the version of a subject that is equal to a schema.
func (s *State) find(name string, x *Schema, deleted bool) (Version, bool) {
	list, _ := s.versions(name, deleted)
	for _, v := range slices.Backward(list) {
		if v.Schema.sum == x.sum {
			return v, true
		}
	}
	return Version{}, false
}
