package avro

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func parse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

func zigzag(n int64) string { return string(binary.AppendVarint(nil, n)) }
func str(s string) string   { return zigzag(int64(len(s))) + s }
func double(v float64) string {
	return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)))
}

// The first bytes are those that Avro's specification gives as examples.
func TestValues(t *testing.T) {
	for _, c := range []struct{ schema, data, want string }{
		{`"null"`, "", `null`},
		{`"boolean"`, "\x01", `true`},
		{`"int"`, "\x80\x01", `64`}, {`"long"`, "\x7f", `-64`}, {`"long"`, zigzag(math.MinInt64), `-9223372036854775808`},
		{`"string"`, "\x06foo", `"foo"`}, {`"string"`, str("a\"\\\n é"), `"a\"\\\u000a é"`},
		{`{"type":"record","name":"test","fields":[{"name":"a","type":"long"},{"name":"b","type":"string"}]}`, "\x36\x06foo", `{"a":27,"b":"foo"}`},
		{`{"type":"array","items":"long"}`, "\x04\x06\x36\x00", `[3,27]`},
		{`{"type":"array","items":"long"}`, "\x03\x04\x06\x36\x02\x04\x00", `[3,27,2]`}, // a block that says its bytes
		{`["null","string"]`, "\x00", `null`}, {`["null","string"]`, "\x02\x02a", `"a"`},
		{`{"type":"map","values":"int"}`, "\x02" + str("k") + "\x02\x00", `{"k":1}`},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, "\x02", `"B"`},
		{`{"type":"fixed","name":"F","size":3}`, "abc", `"YWJj"`}, {`"bytes"`, "\x02\xff", `"/w=="`},
		{`"double"`, double(12.5), `12.5`}, {`"float"`, string(binary.LittleEndian.AppendUint32(nil, math.Float32bits(0.1))), `0.1`},
		{`{"type":"long","logicalType":"timestamp-millis"}`, zigzag(1748772000500), `"2025-06-01T10:00:00.5Z"`},
		{`{"type":"long","logicalType":"timestamp-micros"}`, zigzag(1748772000000001), `"2025-06-01T10:00:00.000001Z"`},
		{`{"type":"int","logicalType":"date"}`, zigzag(20240), `"2025-06-01"`},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, "\x04\x30\x39", `123.45`},
		{`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`, "\x02\xff", `-0.01`},
		{`{"type":"record","name":"L","fields":[{"name":"v","type":"int"},{"name":"next","type":["null","L"]}]}`, "\x02\x02\x04\x00", `{"v":1,"next":{"v":2,"next":null}}`},
		{`{"type":"record","name":"a.b.C","fields":[{"name":"x","type":{"type":"fixed","name":"D","size":1}},{"name":"y","type":"D"},{"name":"z","type":"a.b.D"}]}`, "abc", `{"x":"YQ==","y":"Yg==","z":"Yw=="}`},
	} {
		got, f := parse(t, c.schema).AppendJSON(nil, []byte(c.data))
		if f != nil || string(got) != c.want {
			t.Errorf("%s of %x: %s, %v, want %s", c.schema, c.data, got, f, c.want)
		}
	}
}

func TestFaultsSayWhere(t *testing.T) {
	const rec = `{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":{"type":"map","values":"boolean"}}}]}`
	deep := `{"type":"record","name":"L","fields":[{"name":"n","type":["null","L"]}]}`
	for _, c := range []struct{ schema, data, pointer, detail string }{
		{rec, "\x02\x02" + str("k/y") + "\x07", "/a/0/k~1y", "neither false nor true"},
		{`"long"`, "", "", "bytes end"}, {`"long"`, "\x02\x02", "", "1 bytes follow"},
		{`"int"`, zigzag(1 << 40), "", "does not fit"}, {`"long"`, strings.Repeat("\xff", 11), "", "64 bits"},
		{`"string"`, zigzag(1 << 40), "", "length of"}, {`"string"`, zigzag(-1), "", "length of -1"}, {`"string"`, "\x02\xff", "", "UTF-8"},
		{`["null","int"]`, "\x08", "", "number 4 of 2 branches"}, {`"double"`, double(math.NaN()), "", "NaN"},
		{`{"type":"array","items":"null"}`, zigzag(math.MaxInt64), "", "larger than"},
		{`{"type":"array","items":"null"}`, zigzag(math.MinInt64) + "\x00", "", "a block of"},
		{deep, strings.Repeat("\x02", MaxDepth+1), strings.Repeat("/n", MaxDepth), "nested deeper"},
	} {
		_, f := parse(t, c.schema).AppendJSON(nil, []byte(c.data))
		if f == nil || !strings.Contains(f.Detail, c.detail) || !strings.HasPrefix(f.Pointer, c.pointer) {
			t.Errorf("%s of %x: %+v, want %q at %q", c.schema, c.data, f, c.detail, c.pointer)
		}
	}
}

func TestBrokenSchemas(t *testing.T) {
	deep := strings.Repeat(`{"type":"array","items":`, 70) + `"int"` + strings.Repeat("}", 70)
	for text, want := range map[string]string{
		`{"type":`: "not JSON", `"int" 1`: "not JSON", `7`: "a type is", `{}`: "missing", `"Unknown"`: "no type", `[]`: "empty", `["int","int"]`: "twice", `["int",["null"]]`: "directly",
		`{"type":"record","name":"R"}`: "fields", `{"type":"record","name":"1","fields":[]}`: "not a name", `{"type":"record","fields":[]}`: "not a name",
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}`:          "twice",
		`{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}`:                      "default",
		`{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"record","name":"R","fields":[]}}]}`: "defined twice",
		`{"type":"enum","name":"E","symbols":[]}`:                                                              "symbols", `{"type":"enum","name":"E","symbols":["A"],"default":"B"}`: "none of",
		`{"type":"fixed","name":"F","size":-1}`: "size", `{"type":"array"}`: "items", deep: "deeper",
		`{"type":"enum","name":"E","symbols":["` + strings.Repeat(`a","`, 3) + `b"]}`: "stands twice",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestResolution(t *testing.T) {
	rec := func(fields ...string) string {
		return `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
	}
	f, g := `{"name":"f","type":"string"}`, `{"name":"g","type":"int"}`
	for _, c := range []struct {
		name, reader, writer string
		reads                bool
	}{
		{"the same", rec(f), rec(f), true},
		{"a new field with a default", rec(f, `{"name":"g","type":"int","default":0}`), rec(f), true},
		{"a new field without one", rec(f, g), rec(f), false},
		{"a field less", rec(f), rec(f, g), true},
		{"a field under its alias", rec(`{"name":"h","type":"string","aliases":["f"]}`), rec(f), true},
		{"int as double", `"double"`, `"int"`, true}, {"double as int", `"int"`, `"double"`, false},
		{"string as bytes", `"bytes"`, `"string"`, true},
		{"value as union", `["null","long"]`, `"int"`, true}, {"value as no branch", `["null","long"]`, `"string"`, false},
		{"union as value", `"long"`, `["int","long"]`, true}, {"union with null as value", `"long"`, `["null","long"]`, false},
		{"a symbol less", `{"type":"enum","name":"E","symbols":["A"]}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, false},
		{"a symbol less, with a default", `{"type":"enum","name":"E","symbols":["A"],"default":"A"}`, `{"type":"enum","name":"E","symbols":["A","B"]}`, true},
		{"another size", `{"type":"fixed","name":"F","size":2}`, `{"type":"fixed","name":"F","size":3}`, false},
		{"another name", `{"type":"record","name":"Q","fields":[]}`, rec(), false},
		{"another namespace", `{"type":"record","name":"x.R","fields":[]}`, rec(), true},
		{"items", `{"type":"array","items":"int"}`, `{"type":"array","items":"string"}`, false},
		{"a circle", rec(f, `{"name":"n","type":["null","R"],"default":null}`), rec(f, `{"name":"n","type":["null","R"]}`), true},
		{"a fault inside a circle", rec(`{"name":"f","type":"int"}`, `{"name":"n","type":["null","R"]}`), rec(f, `{"name":"n","type":["null","R"]}`), false},
	} {
		if got := Mismatches(parse(t, c.reader), parse(t, c.writer)); (len(got) == 0) != c.reads {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// TestEntangledSchemas: comparing ends whatever is compared.
func TestEntangledSchemas(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `{"type":"record","name":"R%d","fields":[{"name":"a","type":["null",{"type":"array","items":`, i)
	}
	b.WriteString(`"int"`)
	for i := range 40 {
		fmt.Fprintf(&b, `},{"type":"map","values":"int"}]},{"name":"b%d","type":["null","int"]}]}`, i)
	}
	if _, err := Parse([]byte(b.String())); err == nil {
		t.Fatal("120 levels were taken")
	}
	text := `{"type":"record","name":"A","fields":[`
	for i := range 60 {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(`{"name":"f%d","type":["null",{"type":"array","items":"A"},{"type":"map","values":"A"}]}`, i)
	}
	s := parse(t, text+"]}")
	Mismatches(s, parse(t, text+"]}"))
}

// A value that is written by hand from a drawn schema reads back as the JSON that it was drawn with.
func TestDrawnValues(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := 0
		schema, data, want := draw(r, 0, &n)
		s, err := Parse([]byte(schema))
		if err != nil {
			r.Fatalf("%s: %v", schema, err)
		}
		got, f := s.AppendJSON(nil, data)
		if f != nil || string(got) != want {
			r.Fatalf("%s of %x: %s, %v, want %s", schema, data, got, f, want)
		}
		if m := Mismatches(s, s); len(m) > 0 {
			r.Fatalf("%s does not read itself: %q", schema, m)
		}
	})
}

func draw(r *rapid.T, depth int, n *int) (schema string, data []byte, want string) {
	*n++
	kinds := 8
	if depth == 3 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(r, "kind") {
	case 0:
		v := rapid.Int64().Draw(r, "long")
		return `"long"`, binary.AppendVarint(nil, v), fmt.Sprint(v)
	case 1:
		v := rapid.StringMatching(`[a-z é]*`).Draw(r, "string")
		return `"string"`, []byte(str(v)), `"` + v + `"`
	case 2:
		return `"boolean"`, []byte{0}, "false"
	case 3:
		return `"null"`, nil, "null"
	case 4:
		schema, data, want = draw(r, depth+1, n)
		return fmt.Sprintf(`{"type":"array","items":%s}`, schema), append(append([]byte{2}, data...), 0), "[" + want + "]"
	case 5:
		schema, data, want = draw(r, depth+1, n)
		return fmt.Sprintf(`{"type":"map","values":%s}`, schema), append(append([]byte("\x02\x02k"), data...), 0), `{"k":` + want + "}"
	case 6:
		a, da, wa := draw(r, depth+1, n)
		b, db, wb := draw(r, depth+1, n)
		*n++
		return fmt.Sprintf(`{"type":"record","name":"R%d","fields":[{"name":"a","type":%s},{"name":"b","type":%s}]}`, *n, a, b), append(da, db...), fmt.Sprintf(`{"a":%s,"b":%s}`, wa, wb)
	}
	*n++
	return fmt.Sprintf(`["null",{"type":"fixed","name":"F%d","size":0}]`, *n), []byte{2}, `""`
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`"int"`, `["null","string"]`, `{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"],"default":null}]}`, `{"type":"enum","name":"E","symbols":["A"],"default":"A"}`,
		`{"type":"bytes","logicalType":"decimal","precision":6,"scale":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if m := Mismatches(s, s); len(m) > 0 && !strings.Contains(m[0], "entangled") {
			t.Fatalf("%s does not read itself: %q", text, m)
		}
	})
}

func FuzzValue(f *testing.F) {
	schemas := []*Schema{
		parse(f, `{"type":"record","name":"R","fields":[{"name":"s","type":"string"},{"name":"d","type":"double"},{"name":"n","type":["null","R"]},{"name":"m","type":{"type":"map","values":["null","bytes","R"]}}]}`),
		parse(f, `{"type":"array","items":{"type":"array","items":"null"}}`),
		parse(f, `{"type":"record","name":"T","fields":[{"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":50,"scale":3}},{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"f","type":"float"},{"name":"y","type":{"type":"int","logicalType":"date"}}]}`),
	}
	f.Add(0, []byte("\x02a"+double(1)+"\x00\x00"))
	f.Add(1, []byte("\x02\x02\x00\x00"))
	f.Add(2, []byte("\x02\x02\x01\x00\x00\x00\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, which int, data []byte) {
		got, fault := schemas[uint(which)%uint(len(schemas))].AppendJSON([]byte("x"), data)
		if fault != nil {
			if fault.Detail == "" {
				t.Fatal("a fault without a reason")
			}
			return
		}
		if !json.Valid(bytes.TrimPrefix(got, []byte("x"))) {
			t.Fatalf("%x became %s", data, got)
		}
		if len(got) > MaxJSON+len(data)*2+1024 {
			t.Fatalf("%d bytes became %d", len(data), len(got))
		}
	})
}
