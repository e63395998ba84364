package expr

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"sync"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// scope gives an expression the names of one event.
type scope struct {
	e    *event.Event
	data fields
}

var scopes = sync.Pool{New: func() any { return new(scope) }}

func (s *scope) reset() { *s = scope{} }

// Parent is part of cel.Activation.
func (s *scope) Parent() cel.Activation { return nil }

// ResolveName is part of cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case "event_id":
		return types.String(s.e.ID), true
	case "event_type":
		return types.String(s.e.Kind.String()), true
	case "timestamp":
		return types.Timestamp{Time: time.UnixMicro(s.e.Time).UTC()}, true
	case "source":
		return types.String(s.e.Source), true
	case "schema_version":
		return types.String(s.e.SchemaVersion), true
	case "correlation_id":
		return types.String(s.e.CorrelationID), true
	case "data":
		return &s.data, true
	case "metadata":
		return object(s.e.Metadata), true
	case "event":
		return s.whole(), true
	}
	return nil, false
}

// whole is the event as one map, for those who write event.data.model.
func (s *scope) whole() ref.Val {
	all := make(map[string]ref.Val, 8)
	for _, name := range []string{"event_id", "event_type", "timestamp", "source", "schema_version", "correlation_id", "data", "metadata"} {
		v, _ := s.ResolveName(name)
		all[name] = v.(ref.Val)
	}
	return types.NewRefValMap(types.DefaultTypeAdapter, toVals(all))
}

func toVals(m map[string]ref.Val) map[ref.Val]ref.Val {
	out := make(map[ref.Val]ref.Val, len(m))
	for k, v := range m {
		out[types.String(k)] = v
	}
	return out
}

// object reads a JSON object that the parser of events let through; a null is as good as absent.
func object(text []byte) ref.Val {
	m := map[string]any{}
	if len(text) > 0 {
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		if dec.Decode(&m) != nil {
			m = map[string]any{}
		}
	}
	return types.NewStringInterfaceMap(types.DefaultTypeAdapter, plain(m).(map[string]any))
}

// plain turns JSON numbers into integers where they are, into floats else.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			if v[k] = plain(x); x == nil {
				delete(v, k)
			}
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	}
	return v
}

// fields is the map "data": it looks into the event and copies nothing, unless somebody asks for a field that the catalogue
// does not know.
type fields struct {
	e     *event.Event
	extra traits.Mapper
}

var byName = func() map[string]event.Field {
	m := map[string]event.Field{}
	for f := range event.Catalogue {
		m[event.Catalogue[f].Name] = event.Field(f)
	}
	return m
}()

// Find is part of traits.Mapper.
func (d *fields) Find(key ref.Val) (ref.Val, bool) {
	name, ok := key.(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(key), false
	}
	if f, ok := byName[string(name)]; ok && d.e.Has(f) {
		return valueOf(d.e, f), true
	}
	for i := range d.e.Metrics {
		if d.e.Metrics[i].Name == string(name) {
			return types.Double(d.e.Metrics[i].Value), true
		}
	}
	return d.rest().Find(key)
}

func (d *fields) rest() traits.Mapper {
	if d.extra == nil {
		d.extra = object(d.e.Extra).(traits.Mapper)
	}
	return d.extra
}

// valueOf is the value of a field as the canonical form has it: milliseconds, USD.
func valueOf(e *event.Event, f event.Field) ref.Val {
	switch event.Catalogue[f].Type {
	case event.Text:
		return types.String(e.Text(f))
	case event.Boolean:
		return types.Bool(e.Bool(f))
	case event.Number:
		return types.Double(e.Float(f))
	case event.Duration:
		return types.Double(float64(e.Int(f)) / 1e6)
	case event.Money:
		return types.Double(float64(e.Int(f)) / 1e9)
	}
	return types.Int(e.Int(f))
}

// Contains is part of traits.Mapper.
func (d *fields) Contains(key ref.Val) ref.Val {
	_, ok := d.Find(key)
	return types.Bool(ok)
}

// Get is part of traits.Mapper.
func (d *fields) Get(key ref.Val) ref.Val {
	v, ok := d.Find(key)
	if !ok {
		return types.NewErr("no such key: %v", key)
	}
	return v
}

// all is the map with everything in it, for what is done with all fields at once.
func (d *fields) all() traits.Mapper {
	m := map[ref.Val]ref.Val{}
	for f := range event.Catalogue {
		if d.e.Has(event.Field(f)) {
			m[types.String(event.Catalogue[f].Name)] = valueOf(d.e, event.Field(f))
		}
	}
	for _, x := range d.e.Metrics {
		m[types.String(x.Name)] = types.Double(x.Value)
	}
	for it := d.rest().Iterator(); it.HasNext() == types.True; {
		k := it.Next()
		m[k] = d.rest().Get(k)
	}
	return types.NewRefValMap(types.DefaultTypeAdapter, m)
}

// Size is part of traits.Mapper.
func (d *fields) Size() ref.Val { return d.all().Size() }

// Iterator is part of traits.Mapper.
func (d *fields) Iterator() traits.Iterator { return d.all().Iterator() }

// Equal is part of ref.Val.
func (d *fields) Equal(other ref.Val) ref.Val { return d.all().Equal(other) }

// Type is part of ref.Val.
func (d *fields) Type() ref.Type { return types.MapType }

// Value is part of ref.Val.
func (d *fields) Value() any { return d.all().Value() }

// ConvertToType is part of ref.Val.
func (d *fields) ConvertToType(t ref.Type) ref.Val { return d.all().ConvertToType(t) }

// ConvertToNative is part of ref.Val.
func (d *fields) ConvertToNative(t reflect.Type) (any, error) {
	return nil, fmt.Errorf("data cannot become a %s", t)
}
