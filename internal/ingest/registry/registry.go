package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/bus"
)

// Log is the control log that feeds the State.
type Log interface {
	// Append writes a command and tells its offset. After an error it may have been written.
	Append(ctx context.Context, key string, value []byte) (offset int64, err error)
	// WaitFor returns when the command at offset is applied to the State.
	WaitFor(ctx context.Context, offset int64) error
	// Settled returns when the State is whole.
	Settled(ctx context.Context) error
	// CatchUp returns when all is applied that is in the log now.
	CatchUp(ctx context.Context) error
}

// Registry answers from a State and changes it through its log.
type Registry struct {
	state   *State
	log     Log
	logger  *slog.Logger
	timeout time.Duration // of one change
}

// New returns a registry. timeout bounds what one request waits for the brokers.
func New(state *State, log Log, timeout time.Duration, logger *slog.Logger) *Registry {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Registry{state: state, log: log, logger: logger, timeout: timeout}
}

const (
	maxSubject = 255 // characters
	maxTries   = 50  // of a registration that others get ahead of
)

// Register gives a schema its place under a subject, or tells the one that it has.
func (r *Registry) Register(ctx context.Context, subject string, t Type, text string) (Version, error) {
	next, err := r.read(subject, t, text)
	if err != nil {
		return Version{}, err
	}
	for range maxTries {
		if v, ok := r.state.find(subject, next, false); ok {
			return v, nil
		}
		before, rules, rev := r.state.before(subject)
		if rules.Mode == ReadOnly {
			return Version{}, readOnly(subject)
		}
		if why := rules.Level.check(next, before); len(why) > 0 {
			return Version{}, faultf(CodeIncompatible, "Schema being registered is incompatible with an earlier schema for subject \"%s\", details: [%s] (compatibility: %s)", clip(subject), strings.Join(why, "; "), rules.Level)
		}
		out, err := r.do(ctx, subject, command{Op: opRegister, Type: next.Type, Schema: next.Text, Seen: rev})
		if err != nil {
			return Version{}, err
		}
		if !out.stale {
			return Version{Subject: subject, Number: out.version, Schema: out.schema}, nil
		}
	}
	return Version{}, faultf(CodeAway, "Others keep changing subject '%s'; try again", clip(subject))
}

// read judges subject and schema of a request.
func (r *Registry) read(subject string, t Type, text string) (*Schema, error) {
	if f := badSubject(subject); f != nil {
		return nil, f
	}
	if t == "" {
		t = Avro // as in the protocol
	}
	if t != JSON && t != Avro {
		return nil, faultf(CodeBadSchema, "Schemas of type %s are not supported here; JSON and AVRO are", clip(string(t)))
	}
	s, err := newSchema(t, text)
	if err != nil {
		return nil, faultf(CodeBadSchema, "Invalid schema of type %s, details: %v", t, err)
	}
	return s, nil
}

func badSubject(name string) *Fault {
	if name == "" || utf8.RuneCountInString(name) > maxSubject || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return faultf(CodeBadSubject, "The specified subject '%s' is not a valid subject: 1 to %d characters, none of them for control", clip(strings.ToValidUTF8(name, "?")), maxSubject)
	}
	return nil
}

// do appends a command, waits until it is applied, and tells what became of it.
func (r *Registry) do(ctx context.Context, subject string, c command) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	c.ID = rand.Text()
	text, err := json.Marshal(c)
	if err != nil {
		return outcome{}, err
	}
	offset, err := r.log.Append(ctx, Prefix+subject, text)
	if err == nil {
		err = r.log.WaitFor(ctx, offset)
	}
	if errors.Is(err, bus.ErrTooLarge) {
		return outcome{}, faultf(CodeBadSchema, "The schema is too large to be kept: %d bytes as a command", len(text))
	}
	if err != nil {
		r.logger.Warn("schema registry cannot write its log", "error", err)
		return outcome{}, faultf(CodeAway, "The brokers cannot be asked now; try again")
	}
	out, ok := r.state.result(c.ID)
	switch {
	case !ok: // the control log was made anew in the very moment
		return outcome{}, faultf(CodeAway, "The outcome is not known; ask again")
	case out.fault != nil:
		return outcome{}, out.fault
	}
	return out, nil
}

// settled waits until the state is whole.
func (r *Registry) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if err := r.log.Settled(ctx); err != nil {
		return faultf(CodeAway, "The registry is still being read; try again")
	}
	return nil
}

// version finds one version of a subject: "latest", -1 or a number.
func (r *Registry) version(subject, which string, deleted bool) (Version, error) {
	n, latest, err := versionNumber(which)
	if err != nil {
		return Version{}, err
	}
	list, ok := r.state.versions(subject, true)
	if !ok {
		return Version{}, noSubject(subject)
	}
	live, _ := r.state.versions(subject, deleted)
	if len(live) == 0 && len(list) > 0 {
		return Version{}, noSubject(subject)
	}
	if latest {
		return live[len(live)-1], nil
	}
	for _, v := range live {
		if v.Number == n {
			return v, nil
		}
	}
	return Version{}, noVersion(n)
}

func versionNumber(s string) (n int, latest bool, err error) {
	if s == "latest" || s == "-1" {
		return 0, true, nil
	}
	bad := faultf(CodeBadVersion, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", clip(strings.ToValidUTF8(s, "?")))
	if len(s) == 0 || len(s) > 10 {
		return 0, false, bad
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false, bad
		}
		n = n*10 + int(c-'0')
	}
	if n < 1 || n > 1<<31-1 {
		return 0, false, bad
	}
	return n, false, nil
}

// compatible compares a schema with versions of a subject: one, or with which "" those that the subject's level names.
func (r *Registry) compatible(subject, which string, t Type, text string) ([]string, error) {
	next, err := r.read(subject, t, text)
	if err != nil {
		return nil, err
	}
	before, rules, _ := r.state.before(subject)
	if which != "" {
		v, err := r.version(subject, which, false)
		if err != nil {
			return nil, err
		}
		before = []*Schema{v.Schema}
	}
	return rules.Level.check(next, before), nil
}

// String says a version in a sentence.
func (v Version) String() string { return fmt.Sprintf("%s version %d", v.Subject, v.Number) }
