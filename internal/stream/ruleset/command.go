package ruleset

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/stream/rule"
)

// Prefix is that of the keys of rules in the control log; the name follows.
const Prefix = "rule/"

// The limits of what is put over the API. With the files they stay below what an engine takes.
const (
	maxPut      = 500
	maxChanges  = 5000    // rules and tombstones
	maxOutcomes = 1000    // that are remembered for those who asked
	maxText     = 512_000 // bytes of a rule that is put, in JSON
)

// command is a record of the control log.
type command struct {
	ID   string          `json:"id"` // random: finds its outcome, and is applied once
	Op   string          `json:"op"`
	Rule json.RawMessage `json:"rule,omitempty"`
	If   *int64          `json:"if,omitempty"` // revision of the name that the command is meant for; nil = any
	At   time.Time       `json:"at"`           // by the clock of who was asked; for people
}

// The operations.
const (
	opPut     = "put"
	opDelete  = "delete"
	opRestore = "restore" // back to what the layers below say
)

// change is what the API said of a name last.
type change struct {
	rule     *layered // nil = a tombstone
	revision int64    // offset behind the command
	at       time.Time
}

// outcome is what became of a command.
type outcome int

const (
	unknown outcome = iota
	applied
	stale // the name has changed since
	full
)

// commands is what the control log says.
type commands struct {
	changes  map[string]*change
	puts     int // rules among them
	outcomes map[string]outcome
	asked    []string // keys of outcomes, the oldest first
}

func (c *commands) reset() {
	*c = commands{changes: map[string]*change{}, outcomes: map[string]outcome{}}
}

// revision of what was said of a name; 0 = nothing was.
func (c *commands) revision(name string) int64 {
	if found := c.changes[name]; found != nil {
		return found.revision
	}
	return 0
}

// Reset is part of bus.ControlState. What counts stays until the log was read again.
func (s *Set) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands.reset()
	s.whole = false
}

// Settled says that the log was read to what was its end when it began.
func (s *Set) Settled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whole = true
	s.publish()
}

// Apply is part of bus.ControlState. What it decides follows from the commands before alone: files may differ between instances.
func (s *Set) Apply(key string, value []byte, offset int64) error {
	var c command
	if err := json.Unmarshal(value, &c); err != nil {
		return fmt.Errorf("not a command: %w", err)
	}
	if c.ID == "" || len(c.ID) > 64 {
		return errors.New("not a command: no id, or one that is too long")
	}
	next := &change{revision: offset + 1, at: c.At}
	name := strings.TrimPrefix(key, Prefix)
	switch c.Op {
	case opPut:
		r, faults := rule.DecodeOne(c.Rule, name)
		if len(faults) > 0 {
			return fmt.Errorf("not a rule: %w", faults[0])
		}
		r.Line = 0
		next.rule = newLayered(r, FromAPI, "")
	case opRestore:
		next = nil
	case opDelete:
	default:
		return fmt.Errorf("operation %q is not known here", c.Op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commands.take(name, &c, next) && s.whole {
		s.publish()
	}
	return nil
}

// take decides what becomes of a command, and tells whether it changed anything.
func (c *commands) take(name string, cmd *command, next *change) bool {
	if _, again := c.outcomes[cmd.ID]; again {
		return false
	}
	out := c.judge(name, cmd, next)
	if c.asked = append(c.asked, cmd.ID); len(c.asked) > maxOutcomes {
		delete(c.outcomes, c.asked[0])
		c.asked = c.asked[1:]
	}
	c.outcomes[cmd.ID] = out
	if out != applied {
		return false
	}
	if before := c.changes[name]; before != nil && before.rule != nil {
		c.puts--
	}
	switch {
	case next == nil:
		delete(c.changes, name)
		return true
	case next.rule != nil:
		c.puts++
	}
	c.changes[name] = next
	return true
}

func (c *commands) judge(name string, cmd *command, next *change) outcome {
	before := c.changes[name]
	switch {
	case cmd.If != nil && *cmd.If != c.revision(name):
		return stale
	case next != nil && before == nil && len(c.changes) >= maxChanges:
		return full
	case next != nil && next.rule != nil && (before == nil || before.rule == nil) && c.puts >= maxPut:
		return full
	}
	return applied
}

// outcome of a command by its id.
func (s *Set) outcome(id string) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands.outcomes[id]
}

// revision of a name that a conditional command is meant for, with what there is of the name at that revision.
func (s *Set) revision(name string) (*entry, int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.now.Load().entries[name]
	if e == nil || e.change == nil {
		return e, s.commands.revision(name) // a tombstone over nothing has a revision too
	}
	return e, e.change.revision
}
