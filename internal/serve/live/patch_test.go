package live

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// merge is RFC 7396 as its section 2 writes it: what a client does with an update.
func merge(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	out := map[string]any{}
	if t, ok := target.(map[string]any); ok {
		for k, v := range t {
			out[k] = v
		}
	}
	for k, v := range p {
		if v == nil {
			delete(out, k)
		} else {
			out[k] = merge(out[k], v)
		}
	}
	return out
}

func decode(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

// TestMergeOfTheRFC checks the reader that the other tests trust, with the cases of RFC 7396, appendix A.
func TestMergeOfTheRFC(t *testing.T) {
	for _, c := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`}, {`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`}, {`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`}, {`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`}, {`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`}, {`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`}, {`{"a":"foo"}`, `null`, `null`}, {`{"a":"foo"}`, `"bar"`, `"bar"`}, {`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`}, {`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		if got, want := merge(decode(t, []byte(c[0])), decode(t, []byte(c[1]))), decode(t, []byte(c[2])); !reflect.DeepEqual(got, want) {
			t.Errorf("%s merged with %s is %v, not %v", c[0], c[1], got, want)
		}
	}
}

// objects draws JSON objects with few names, so that two of them meet often.
func objects(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		o := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			name := rapid.SampledFrom([]string{"a", "b", "ü", `q"\`, "", "1700000000"}).Draw(t, "name")
			switch kind := rapid.IntRange(0, 6).Draw(t, "kind"); {
			case kind == 0:
				o[name] = nil
			case kind == 1:
				o[name] = rapid.String().Draw(t, "text")
			case kind == 2:
				o[name] = []any{rapid.Int().Draw(t, "element"), nil, map[string]any{"x": nil}}
			case kind <= 4 && depth > 0:
				o[name] = objects(depth-1).Draw(t, "object")
			default:
				o[name] = rapid.Float64Range(-1e9, 1e9).Draw(t, "number")
			}
		}
		return o
	})
}

// TestPatchesFoldToTheState: a snapshot and any row of patches give the last state, and equal states give no patch.
func TestPatchesFoldToTheState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := func(v any) Object {
			o, err := Tree(v)
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		parse := func(o Object) (v any) {
			d := json.NewDecoder(bytes.NewReader(o.AppendJSON(nil)))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%v in %s", err, o.AppendJSON(nil))
			}
			return v
		}
		state := tree(objects(3).Draw(t, "first"))
		client := parse(state)
		for i := range 4 {
			next := tree(objects(3).Draw(t, strconv.Itoa(i)))
			patch, changed := Diff(state, next)
			if same := bytes.Equal(state.AppendJSON(nil), next.AppendJSON(nil)); changed == same {
				t.Fatalf("changed is %t for %s and %s", changed, state.AppendJSON(nil), next.AppendJSON(nil))
			}
			client, state = merge(client, parse(patch)), next
			if !reflect.DeepEqual(client, parse(state)) {
				t.Fatalf("folded to %v, not %s", client, state.AppendJSON(nil))
			}
		}
	})
}

func TestTreeKeepsOnlyObjects(t *testing.T) {
	for _, v := range []any{nil, 1, "text", []int{1}, map[int]func(){}} {
		if o, err := Tree(v); err == nil && o != nil && len(o) > 0 {
			t.Errorf("%v became %v", v, o)
		}
	}
	o, err := Tree(map[string]any{"a": nil, "b": map[string]any{"c": nil}, "d": []any{nil}})
	if got := string(o.AppendJSON(nil)); err != nil || got != `{"b":{},"d":[null]}` {
		t.Errorf("%s, %v", got, err)
	}
}
