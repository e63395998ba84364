package route

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Prefix is the prefix of the keys of routes in the control log; the rest of a key is the name.
const Prefix = "route/"

// Table is what the routes are now: a state of the control log. A record with a value puts a route, one without takes it away.
type Table struct {
	mu     sync.Mutex // of those who change
	routes atomic.Pointer[[]*Route]
}

// NewTable makes an empty table.
func NewTable() *Table {
	t := &Table{}
	t.Reset()
	return t
}

// Reset forgets all routes.
func (t *Table) Reset() { t.routes.Store(new([]*Route)) }

// Apply takes a command. Two instances may put the last free place at once: the log decides, and the one that came second
// finds that its route is not there.
func (t *Table) Apply(key string, value []byte, _ int64) error {
	name := strings.TrimPrefix(key, Prefix)
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.All()
	at, found := slices.BinarySearchFunc(now, name, func(r *Route, name string) int { return strings.Compare(r.Name, name) })
	if len(value) == 0 {
		if found {
			now = slices.Delete(slices.Clone(now), at, at+1)
			t.routes.Store(&now)
		}
		return nil
	}
	r, err := read(name, value)
	if err != nil {
		return err
	}
	now = slices.Clone(now)
	switch {
	case found:
		now[at] = r
	case len(now) == Max:
		return fmt.Errorf("there are %d routes already", Max)
	default:
		now = slices.Insert(now, at, r)
	}
	t.routes.Store(&now)
	return nil
}

// All lists the routes in the order of their names. It is shared: do not change it.
func (t *Table) All() []*Route { return *t.routes.Load() }

// Find returns the route of a name, nil when there is none.
func (t *Table) Find(name string) *Route {
	for _, r := range t.All() {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// Uses tells which routes go to a topic.
func (t *Table) Uses(topic string) []string {
	var out []string
	for _, r := range t.All() {
		if r.To == topic {
			out = append(out, r.Name)
		}
	}
	return out
}

// Parse reads the definition of the route of a name, for one that is to be put: unknown members are refused, and its examples
// are tried. The error is a *Fault.
func Parse(name string, text []byte) (*Route, error) {
	r, err := read(name, text)
	if err == nil {
		err = r.try()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// read is Parse without the examples: a route that was taken once stays, whatever a later version says of them.
func read(name string, text []byte) (*Route, error) {
	r := &Route{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(r); err != nil {
		return nil, &Fault{"", "json", "the definition cannot be read: " + strings.TrimPrefix(err.Error(), "json: ")}
	}
	if dec.More() {
		return nil, &Fault{"", "json", "something follows the definition"}
	}
	if r.Name == "" {
		r.Name = name
	}
	if r.Name != name {
		return nil, &Fault{"/name", "name", fmt.Sprintf("the definition names %q, the path %q", clip(r.Name), clip(name))}
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	return r, nil
}
