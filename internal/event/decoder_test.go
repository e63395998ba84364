package event

import (
	"bytes"
	"strings"
	"testing"
)

func headers(pairs ...string) (out []Header) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Header{pairs[i], []byte(pairs[i+1])})
	}
	return out
}

// asCanonical decodes and writes the event, or the fault as "code at pointer".
func asCanonical(d *Decoder, value string, hs []Header) string {
	var e Event
	if v := d.Decode([]byte(value), hs, &e); v != nil {
		return v.Code + " at " + v.Pointer
	}
	return string(AppendJSON(nil, &e))
}

func TestDecoder(t *testing.T) {
	attributes := []string{"ce_specversion", "1.0", "ce_id", "7", "ce_source", "/a", "ce_type", "llm-requests", "ce_time", "2025-06-01T10:00:00Z"}
	binary := func(more ...string) []Header { return headers(append(append([]string{}, attributes...), more...)...) }
	structured := headers("Content-Type", "Application/CloudEvents+JSON; charset=UTF-8")
	const envelope = `"event_id":"7","event_type":"llm_request","timestamp":"2025-06-01T10:00:00Z","source":"/a"`
	const ce = `"specversion":"1.0","id":"7","source":"/a","type":"llm_request","time":"2025-06-01T10:00:00Z"`
	for _, c := range []struct {
		name, value string
		headers     []Header
		want        string
	}{
		{"plain", `{"event_type":"llm_request","model":"m"}`, nil, `{"event_type":"llm_request","data":{"model":"m"}}`},
		{"plain beside headers that mean nothing", `{"event_type":"llm_request","model":"m"}`, headers("content-type", "application/json", "trace", "x"), `{"event_type":"llm_request","data":{"model":"m"}}`},
		{"binary", `{"model":"m"}`, binary("content-type", "application/json"), `{` + envelope + `,"data":{"model":"m"}}`},
		{"binary without a content type", `{"model":"m"}`, binary(), `{` + envelope + `,"data":{"model":"m"}}`},
		{"binary, extensions", `{}`, binary("ce_subject", `a "b"`, "ce_correlationid", "c", "ce_data", "no", "other", "x"),
			`{` + envelope + `,"correlation_id":"c","data":{},"metadata":{"subject":"a \"b\""}}`},
		{"binary without data", ``, binary(), `{` + envelope + `,"data":{}}`},
		{"binary, its data closes the envelope", `{},"event_id":"8"`, binary(), "syntax at "},
		{"binary, its data is a list", `[1]`, binary(), "wrong_type at "},
		{"binary, bad field", `{"duration_ms":"slow"}`, binary(), "wrong_type at /data/duration_ms"},
		{"binary, another content", `{}`, binary("content-type", "application/avro"), "wrong_format at /datacontenttype"},
		{"binary, bytes", "{\"model\":\"\xff\"}", binary(), "invalid_utf8 at "},
		{"binary without a version", `{}`, headers("ce_id", "7", "ce_source", "/a", "ce_type", "llm_request"), "wrong_format at /specversion"},
		{"structured", `{` + ce + `,"data":{"model":"m"}}`, structured, `{` + envelope + `,"data":{"model":"m"}}`},
		{"structured, escaped name", `{` + ce + `,"d\u0061ta":{"model":"m"},"n":null}`, structured, `{` + envelope + `,"data":{"model":"m"}}`},
		{"structured, base64", `{` + ce + `,"data_base64":"eyJtb2RlbCI6Im0ifQ==","datacontenttype":"application/vnd.x+json"}`, structured, `{` + envelope + `,"data":{"model":"m"}}`},
		{"structured, extensions", `{` + ce + `,"subject":"s","sampledrate":3,"dataschema":"http://x"}`, structured, `{` + envelope + `,"data":{},"metadata":{"subject":"s","sampledrate":3,"dataschema":"http://x"}}`},
		{"structured, an extension that is no simple value", `{` + ce + `,"x":{}}`, structured, "wrong_type at /x"},
		{"structured, subject is a number", `{` + ce + `,"subject":1}`, structured, "wrong_type at /subject"},
		{"structured, nulls", `{` + ce + `,"data":null,"data_base64":null,"subject":null}`, structured, `{` + envelope + `,"data":{}}`},
		{"structured, base64 that is none", `{` + ce + `,"data_base64":"???"}`, structured, "wrong_format at /data_base64"},
		{"structured, base64 of no JSON", `{` + ce + `,"data_base64":"eA=="}`, structured, "syntax at /data_base64"},
		{"structured, data is text", `{` + ce + `,"data":"x"}`, structured, "wrong_type at /data"},
		{"structured, bad field", `{` + ce + `,"data":{"prompt_tokens":-1}}`, structured, "negative at /data/prompt_tokens"},
		{"structured, bad time", `{` + strings.Replace(ce, "2025-", "25-", 1) + `}`, structured, "bad_timestamp at /time"},
		{"structured, a type that is not ours", `{` + strings.Replace(ce, "llm_request", "com.example.someevent", 1) + `}`, structured, "unknown_event_type at /type"},
		{"structured, a version of the future", `{` + strings.Replace(ce, `"1.0"`, `"9.9"`, 1) + `}`, structured, "wrong_format at /specversion"},
		{"structured, empty id", `{` + strings.Replace(ce, `"7"`, `""`, 1) + `}`, structured, "wrong_format at /id"},
		{"structured, id is a number", `{` + strings.Replace(ce, `"7"`, `7`, 1) + `}`, structured, "wrong_type at /id"},
		{"structured without source", `{"specversion":"1.0","id":"7","type":"llm_request"}`, structured, "wrong_format at /source"},
		{"structured, no object", `[]`, structured, "wrong_type at "},
		{"structured, torn", `{` + ce, structured, "syntax at "},
		{"a batch in a record", `[]`, headers("content-type", "application/cloudevents-batch+json"), "wrong_format at "},
	} {
		if got := asCanonical(new(Decoder), c.value, c.headers); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

// TestDecoderKeepsTexts: an event keeps what it says when the decoder goes on.
func TestDecoderKeepsTexts(t *testing.T) {
	var d Decoder
	var first, second Event
	hs := func(id string) []Header {
		return headers("ce_specversion", "1.0", "ce_id", id, "ce_source", "/a", "ce_type", "llm_request")
	}
	if d.Decode([]byte(`{"model":"one"}`), hs("1"), &first) != nil || d.Decode([]byte(`{"model":"two"}`), hs("2"), &second) != nil {
		t.Fatal("refused")
	}
	if first.ID != "1" || first.Text(Model) != "one" {
		t.Errorf("the first became %s", AppendJSON(nil, &first))
	}
}

func BenchmarkDecode380(b *testing.B) {
	data := []byte(typical)
	var d Decoder
	var e Event
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if v := d.Decode(data, nil, &e); v != nil {
			b.Fatal(v)
		}
	}
}

func BenchmarkDecodeCloudEvent(b *testing.B) {
	data := []byte(`{"specversion":"1.0","id":"01JTX3M8Q6Z9V4K2WD7R","source":"gateway-eu-1","type":"llm_request","time":"2026-05-01T12:00:00.123456Z",` +
		typical[strings.Index(typical, `"data"`):])
	hs := headers("content-type", CloudEventJSON)
	var d Decoder
	var e Event
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if v := d.Decode(data, hs, &e); v != nil {
			b.Fatal(v)
		}
	}
}

// FuzzDecode: no headers and no value harm, and what was read is an event like any other: written, it reads back the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"model":"m"}`), "application/json", "1.0", "7", "/a", "llm_request", "ce_subject", "s")
	f.Add([]byte(`{"specversion":"1.0","id":"7","source":"/a","type":"llm_request","data":{"model":"m"},"x":1}`), CloudEventJSON, "", "", "", "", "", "")
	f.Add([]byte(`{"specversion":"1.0","id":"7","source":"/a","type":"llm_request","data_base64":"e30="}`), CloudEventJSON, "", "", "", "", "", "")
	f.Add([]byte(typical), "", "", "", "", "", "", "")
	f.Fuzz(func(t *testing.T, value []byte, contentType, version, id, source, kind, name, more string) {
		hs := headers("content-type", contentType, "ce_specversion", version, "ce_id", id, "ce_source", source, "ce_type", kind, name, more)
		var d Decoder
		var e, again Event
		for _, hs := range [][]Header{nil, hs[:1], hs[1:], hs} {
			v := d.Decode(value, hs, &e)
			if v != nil {
				if v.Code == "" || v.Detail == "" || e.ID != "" || e.HasTime {
					t.Fatalf("%+v leaves %s", v, AppendJSON(nil, &e))
				}
				continue
			}
			text := AppendJSON(nil, &e)
			if len(text) > MaxSize {
				continue
			}
			if v := d.Decode(text, nil, &again); v != nil && v.Code != CodeKeys {
				t.Fatalf("wrote %s, which is %v", text, v)
			} else if v == nil && !bytes.Equal(AppendJSON(nil, &again), text) {
				t.Fatalf("wrote %s, read %s", text, AppendJSON(nil, &again))
			}
		}
	})
}
