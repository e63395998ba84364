package deployments

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/kit/near"
)

// Kind says how a deployment is known.
type Kind string

// The kinds.
const (
	Told   Kind = "event"          // a business event says so
	Model  Kind = "model"          // requests name a model for the first time
	Prompt Kind = "prompt_version" // requests of a model name a version of its prompt for the first time
)

// Deployment is something that was put to work. It is a record of hxp-deployments as well.
type Deployment struct {
	ID      string    `json:"id"` // of the place of the event
	At      time.Time `json:"at"` // as the event says
	Kind    Kind      `json:"kind"`
	Title   string    `json:"title"`
	Text    string    `json:"text"`
	Model   string    `json:"model"`
	Version string    `json:"version"`
	Source  string    `json:"source"`
}

// types are the business events that tell of a deployment.
var types = []string{"deploy", "deployment", "release", "rollout", "rollback"}

// maxText is the length to which texts of strangers are kept, in characters.
const maxText = 500

// Of tells of the deployment that a business event reports, nil when it reports none. Its ID is for the caller to give. text reads what the
// catalogue does not know of the event.
func Of(e *event.Event, text func(name string) string) *Deployment {
	kind := e.Text(event.BusinessEventType)
	if e.Kind != event.BusinessEvent || !slices.ContainsFunc(types, func(t string) bool { return strings.EqualFold(t, kind) }) {
		return nil
	}
	first := func(names ...string) string {
		for _, name := range names {
			if v := text(name); v != "" {
				return clip(v)
			}
		}
		return ""
	}
	return &Deployment{
		At: time.UnixMicro(e.Time).UTC(), Kind: Told, Title: strings.ToUpper(kind[:1]) + strings.ToLower(kind[1:]), Text: first("text", "message", "summary", "description"),
		Model: clip(e.Text(event.Model)), Version: first("version", "model_version", "prompt_version"), Source: clip(e.Source),
	}
}

// version is what is told apart: a model, and a version of its prompt where requests name one.
type version struct{ model, prompt string }

// Lookout tells which versions are new to a book. One goroutine uses it.
type Lookout struct {
	book *Book
	late near.Table[struct{}] // of those seen
	seen map[version]version
	news pace
}

// NewLookout makes one.
func NewLookout(b *Book) *Lookout { return &Lookout{book: b, seen: map[version]version{}} }

// New tells of the version that a request names, which arrived at a time in microseconds; nil when it is known, when it is not certain yet
// what is known, or when too much is new in this hour: a later request may tell of it. The ID is for the caller to give, because hardly
// any request needs one.
func (l *Lookout) New(e *event.Event, prompt string, arrival int64) *Deployment {
	v := version{e.Text(event.Model), prompt}
	if _, known := l.late.Find(v.model, v.prompt); known || v.model == "" {
		return nil
	}
	if own, known := l.seen[v]; known {
		l.late.Put(own.model, own.prompt, struct{}{})
		return nil
	}
	at := time.UnixMicro(arrival)
	young := l.book.young(at)
	if !young && l.news.full(at) {
		return nil
	}
	of, sure := l.book.unknown(v, at)
	if !sure || of != "" && !young && !l.news.admit(at) {
		return nil
	}
	if len(l.seen) >= maxVersions {
		clear(l.seen) // the book knows them
	}
	v = version{strings.Clone(v.model), strings.Clone(v.prompt)}
	l.seen[v] = v
	if of == "" {
		return nil
	}
	l.seen[version{v.model, ""}] = version{v.model, ""}
	d := &Deployment{At: time.UnixMicro(e.Time).UTC(), Kind: of, Title: "New model", Model: clip(v.model), Version: clip(v.prompt), Source: clip(e.Source)}
	if of == Prompt {
		d.Title = "New prompt version"
	}
	return d
}

// Record is the value that hxp-deployments gets.
func (d *Deployment) Record() []byte {
	text, err := json.Marshal(d)
	if err != nil {
		panic(err) // made of texts and a time that an event may have
	}
	return text
}

// Decode reads a record.
func Decode(value []byte) (*Deployment, error) {
	const most = 16 << 10
	if len(value) > most {
		return nil, fmt.Errorf("it has %d bytes; a deployment has at most %d", len(value), most)
	}
	d := &Deployment{}
	if err := json.Unmarshal(value, d); err != nil {
		return nil, fmt.Errorf("it is no deployment: %w", err)
	}
	d.At = d.At.UTC()
	switch {
	case d.ID == "" || len(d.ID) > 256:
		return nil, errors.New("it has no id of 1 to 256 bytes")
	case d.Kind != Told && d.Kind != Model && d.Kind != Prompt:
		return nil, fmt.Errorf("its kind is %.40q", d.Kind)
	case d.At.Year() < 1970 || d.At.Year() > 9999:
		return nil, errors.New("its time is none")
	}
	return d, nil
}

func clip(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxText {
			return s[:i] + "…"
		}
	}
	return strings.Clone(s)
}
