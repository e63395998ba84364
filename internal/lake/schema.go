package lake

import (
	"reflect"
	"strings"
	"sync"

	"github.com/parquet-go/parquet-go"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// source says where the value of a column comes from.
type source uint8

const (
	fromField source = iota // a data field of the event
	fromID
	fromType
	fromTime
	fromSource
	fromCorrelation
	fromSchemaVersion
	fromTopic
	fromPartition
	fromOffset
	fromIngested
	fromMetadata
	fromExtra
)

// column is one column of a schema.
type column struct {
	name     string
	source   source
	field    event.Field // when source is fromField
	kind     parquet.Kind
	duration bool // nanoseconds in memory, milliseconds (DOUBLE) in the file
	optional bool
	tags     string // further options of the column
	index    int    // place in the file
}

// table is the schema of the files of one kind of event.
type table struct {
	kind    event.Kind
	columns []column
	schema  *parquet.Schema
}

// envelope are the columns that every kind has, in order, before and after its data fields. Text that repeats from row to row
// has a dictionary; numbers that grow from row to row are stored as differences.
var (
	envelope = []column{
		{name: "event_id", source: fromID, kind: parquet.ByteArray},
		{name: "event_type", source: fromType, kind: parquet.ByteArray, tags: ",dict"},
		{name: "timestamp", source: fromTime, kind: parquet.Int64, tags: ",timestamp(microsecond),delta"},
		{name: "source", source: fromSource, kind: parquet.ByteArray, optional: true, tags: ",dict"},
		{name: "correlation_id", source: fromCorrelation, kind: parquet.ByteArray, optional: true},
		{name: "topic", source: fromTopic, kind: parquet.ByteArray, tags: ",dict"},
		{name: "partition", source: fromPartition, kind: parquet.Int32},
		{name: "offset", source: fromOffset, kind: parquet.Int64, tags: ",delta"},
		{name: "ingested_at", source: fromIngested, kind: parquet.Int64, tags: ",timestamp(microsecond),delta"},
		{name: "metadata", source: fromMetadata, kind: parquet.ByteArray, optional: true},
	}
	trailer = []column{
		{name: "extra", source: fromExtra, kind: parquet.ByteArray, optional: true},
		{name: "schema_version", source: fromSchemaVersion, kind: parquet.ByteArray, optional: true, tags: ",dict"},
	}
)

// distinct are the Text fields whose values hardly ever repeat, so that a dictionary would only cost.
var distinct = map[event.Field]bool{event.RequestID: true, event.Comment: true, event.SessionID: true, event.UserID: true}

// tableOf returns the schema of a kind.
func tableOf(k event.Kind) *table { return tables()[k] }

// column returns the column of a data field, nil when the kind has none.
func (t *table) column(f event.Field) *column {
	for i := range t.columns {
		if c := &t.columns[i]; c.source == fromField && c.field == f {
			return c
		}
	}
	return nil
}

// timestamp returns the column of the event time.
func (t *table) timestamp() *column {
	for i := range t.columns {
		if t.columns[i].source == fromTime {
			return &t.columns[i]
		}
	}
	panic("lake: schema without a timestamp")
}

var tables = sync.OnceValue(func() map[event.Kind]*table {
	out := make(map[event.Kind]*table)
	for _, k := range event.Kinds {
		out[k] = newTable(k)
	}
	return out
})

func newTable(k event.Kind) *table {
	t := &table{kind: k, columns: append([]column(nil), envelope...)}
	for f := range event.Catalogue {
		spec := &event.Catalogue[f]
		for _, has := range spec.Kinds {
			if has == k {
				t.columns = append(t.columns, fieldColumn(event.Field(f), spec))
			}
		}
	}
	t.columns = append(t.columns, trailer...)
	fields := make([]reflect.StructField, len(t.columns))
	for i := range t.columns {
		c := &t.columns[i]
		c.index = i
		fields[i] = c.structField()
	}
	t.schema = parquet.NewSchema(k.String(), parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface()))
	return t
}

func fieldColumn(f event.Field, spec *event.Spec) column {
	c := column{name: spec.Name, source: fromField, field: f, optional: true}
	switch spec.Type {
	case event.Text:
		c.kind = parquet.ByteArray
		if !distinct[f] {
			c.tags = ",dict"
		}
	case event.Integer:
		c.kind = parquet.Int64
	case event.Duration:
		c.kind, c.duration = parquet.Double, true
	case event.Money:
		c.kind, c.name = parquet.Int64, strings.TrimSuffix(c.name, "_usd")+"_nano_usd"
	case event.Number:
		c.kind = parquet.Double
	case event.Boolean:
		c.kind = parquet.Boolean
	}
	return c
}

var goTypes = map[parquet.Kind]reflect.Type{
	parquet.ByteArray: reflect.TypeFor[string](),
	parquet.Int32:     reflect.TypeFor[int32](),
	parquet.Int64:     reflect.TypeFor[int64](),
	parquet.Double:    reflect.TypeFor[float64](),
	parquet.Boolean:   reflect.TypeFor[bool](),
}

// structField is the form in which the Parquet library takes an ordered schema.
func (c *column) structField() reflect.StructField {
	tag := c.name
	if c.optional {
		tag += ",optional"
	}
	return reflect.StructField{
		Name: "C_" + c.name,
		Type: goTypes[c.kind],
		Tag:  reflect.StructTag(`parquet:"` + tag + c.tags + `"`),
	}
}
