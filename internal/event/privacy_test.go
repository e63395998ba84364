package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

const privacyKey = "a key for tests of privacy"

func rulesOf(t testing.TB, r PrivacyRules) *Privacy {
	t.Helper()
	if len(r.Hash) > 0 {
		r.HashKey = "env:KEY"
	}
	p, err := r.Compile(privacyKey)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPrivacyOfEvents(t *testing.T) {
	p := rulesOf(t, PrivacyRules{Drop: []string{"comment", "Ticket"}, Hash: []string{"user_id", "email"}, Mask: []string{"session_id"}})
	jane := p.Hash("jane")
	if jane == "jane" || len(jane) != len(HashedPrefix)+32 {
		t.Fatal(jane)
	}
	other, err := PrivacyRules{Hash: []string{"user_id"}, HashKey: "env:KEY"}.Compile("another key, just as long")
	if err != nil || other.Hash("jane") == jane {
		t.Errorf("another key gives the same hash (%v)", err)
	}
	for _, c := range []struct{ name, in, want string }{
		{"fields", `{"event_type":"llm_request","data":{"model":"m","user_id":"jane","session_id":"s-42"}}`, `"user_id":"` + jane + `","session_id":"s***"`},
		{"an alias", `{"event_type":"llm_request","data":{"model":"m","user":"jane"}}`, `"user_id":"` + jane + `"`},
		{"dropped", `{"event_type":"user_feedback","data":{"model":"m","comment":"call me at home"}}`, `"data":{"model":"m"}`},
		{"metadata", `{"event_type":"llm_request","data":{"model":"m"},"metadata":{"a":1,"EMAIL":"jane","deep":[{"ticket":"T-1","b":2}]}}`, `"metadata":{"a":1,"EMAIL":"` + jane + `","deep":[{"b":2}]}`},
		{"unknown fields", `{"event_type":"llm_request","data":{"model":"m","ticket":{"id":1},"x":"y"}}`, `"x":"y"`},
		{"prompts", `{"event_type":"llm_request","data":{"model":"m","prompt":"the secret","messages":[{"role":"user","content":"the secret"}],"x":1},"metadata":{"gen_ai.prompt":"the secret","nested":{"Output":"the secret","output":7}}}`, `"nested":{"output":7}`},
		{"counts that are called so", `{"event_type":"llm_request","data":{"model":"m","completion":12,"input":null}}`, `"completion":12`},
		{"an escaped name", `{"event_type":"llm_request","data":{"model":"m","\u0070rompt":"the secret","x":1}}`, `"x":1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decoder{Limits: Limits{Privacy: p}}
			var e Event
			if bad := d.Decode([]byte(c.in), nil, &e); bad != nil {
				t.Fatal(bad)
			}
			got := string(AppendJSON(nil, &e))
			if !strings.Contains(got, c.want) || strings.Contains(got, "secret") || strings.Contains(got, "jane") || strings.Contains(got, "T-1") || strings.Contains(got, "home") {
				t.Errorf("%s\nwant %s", got, c.want)
			}
			var again Event // what was treated is read by others
			if bad := d.Decode([]byte(got), nil, &again); bad != nil {
				t.Fatal(bad)
			}
			if twice := string(AppendJSON(nil, &again)); twice != got {
				t.Errorf("read again it is another event:\n%s\n%s", got, twice)
			}
		})
	}
}

// Without rules prompts are kept out all the same; switched on, they stay.
func TestContentIsKeptOutUntilSwitchedOn(t *testing.T) {
	const in = `{"event_type":"llm_request","data":{"model":"m","prompt":"the secret","comment":"c"}}`
	for _, stored := range []bool{false, true} {
		d := Decoder{Limits: Limits{Privacy: rulesOf(t, PrivacyRules{StoreContent: stored})}}
		var e Event
		if bad := d.Decode([]byte(in), nil, &e); bad != nil {
			t.Fatal(bad)
		}
		if got := string(AppendJSON(nil, &e)); strings.Contains(got, "the secret") != stored {
			t.Errorf("store_content %t: %s", stored, got)
		}
	}
}

func TestPrivacyOfDeadLetters(t *testing.T) {
	p := rulesOf(t, PrivacyRules{Drop: []string{"comment"}, Hash: []string{"user_id"}, Mask: []string{"tenant"}})
	jane := p.Hash("jane")
	for _, c := range []struct{ name, in, want string }{
		{"JSON", `{"event_type":"llm_request", "data":{"duration_ms":"x","user":"jane","prompt":"the secret", "tenant":"acme"}}`, `{"event_type":"llm_request", "data":{"duration_ms":"x","user":"` + jane + `", "tenant":"a***"}}`},
		{"the last member", `{"a":1, "prompt":"the secret" }`, `{"a":1 }`},
		{"all members", `{"prompt":"the secret","completion":["the secret"]}`, `{}`},
		{"text in text", `{"note":"\"prompt\":","x":"y"}`, `{"note":"\"prompt\":","x":"y"}`},
		{"a number", `{"user_id":42}`, `{"user_id":"` + p.Hash("42") + `"}`},
		{"an array", `[{"prompt":{"deep":"the secret"}},{"x":1}]`, `[{},{"x":1}]`},
		{"cut off", `{"event_type":"llm_request","data":{"model":"m","prompt":"the sec`, `{"event_type":"llm_request","data":{"model":"m","`},
		{"no JSON", `user_id=jane prompt=the secret`, ``},
		{"single quotes", `{'model':'m','prompt':'the secret'}`, `{'model':'m','`},
		{"text without names", `<html>502 Bad Gateway, see output</html>`, `<html>502 Bad Gateway, see output</html>`},
		{"tokens are no prompts", `{"prompt_tokens":NaN,"completion_tokens":-1}`, `{"prompt_tokens":NaN,"completion_tokens":-1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decoder{Limits: Limits{Privacy: p}}
			l := DeadLetter{Payload: []byte(c.in), Reason: `"jane" is no number`, Pointer: "/data/user_id", Headers: [][2]string{{"ce_user", "jane"}, {"ce_comment", "c"}, {"content-type", "x"}}}
			d.Discreet(&l)
			if string(l.Payload) != c.want {
				t.Errorf("%s\nwant %s", l.Payload, c.want)
			}
			if l.Reason != `"…" is no number` || len(l.Headers) != 2 || l.Headers[0][1] != jane {
				t.Errorf("%q %q", l.Reason, l.Headers)
			}
		})
	}
}

// What nobody here can read is kept by its size and its hash alone, when fields are treated.
func TestUnreadableDeadLetters(t *testing.T) {
	avro := append([]byte{0, 0, 0, 0, 9}, "jane"...)
	for _, c := range []struct {
		rules PrivacyRules
		kept  bool
	}{{PrivacyRules{}, true}, {PrivacyRules{Drop: []string{"user_id"}}, false}} {
		d := Decoder{Limits: Limits{Privacy: rulesOf(t, c.rules)}}
		l := DeadLetter{ID: "i", Payload: avro}
		d.Discreet(&l)
		if kept := bytes.Equal(l.Payload, avro); kept != c.kept || kept == (l.SHA256 != "") {
			t.Errorf("%+v: %+v", c.rules, l)
		}
		key, value, headers := l.Record()
		if back, err := ParseDeadLetter(key, value, append(headers, Header{}, Header{})[:len(headers)]); err != nil || back.PayloadSize != int64(len(avro)) {
			t.Errorf("%+v %v", back, err)
		}
	}
}

func TestWrongPrivacyRules(t *testing.T) {
	for want, r := range map[string]PrivacyRules{
		"stands in drop already":        {Drop: []string{"user_id"}, Mask: []string{"User_ID"}},
		"can only be dropped":           {Mask: []string{"duration_ms"}},
		"belongs to the envelope":       {Drop: []string{"event_id"}},
		"say where a key is":            {Hash: []string{"user_id"}},
		"rather than what it is":        {HashKey: "hunter2hunter2hunter2"},
		"one request of many":           {Mask: []string{"request_id"}},
		"no blanks around it":           {Drop: []string{" comment"}},
		"the key has 5 bytes, fewer":    {Hash: []string{"user_id"}, HashKey: "env:KEY"},
		"hash_key: say where the key i": {Hash: []string{"user_id"}, HashKey: "secret"},
	} {
		if _, err := r.Compile("short"); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v, want %s", r, err, want)
		}
	}
	if d := (PrivacyRules{Drop: []string{"usr_id", "ticket_number_of_ours"}}).Doubts(); len(d) == 0 || !strings.Contains(d[0], "write user_id") {
		t.Errorf("%q", d)
	}
}

func FuzzPrivacy(f *testing.F) {
	for _, s := range []string{`{"prompt":"s","a":[{"user":"jane"}]}`, `{"a":1,"prompt":{"b":"c"},}`, `{"prompt`, `prompt: x`, "\x00\x00\x00\x00\x01x", `[[["input",{"input":[1,{"x":2}]}]]]`} {
		f.Add([]byte(s))
	}
	p := rulesOf(f, PrivacyRules{Drop: []string{"comment"}, Hash: []string{"user_id"}, Mask: []string{"tenant"}})
	f.Fuzz(func(t *testing.T, text []byte) {
		valid := json.Valid(text)
		got := p.text(bytes.Clone(text))
		if !valid {
			if !bytes.HasPrefix(text, got) {
				t.Fatalf("%q became %q", text, got)
			}
			return
		}
		if !json.Valid(got) {
			t.Fatalf("%q is no JSON any more: %q", text, got)
		}
		if again := p.text(bytes.Clone(got)); !bytes.Equal(again, got) {
			t.Fatalf("treated twice it is another text: %q, %q", got, again)
		}
		var v any
		dec := json.NewDecoder(bytes.NewReader(got))
		dec.UseNumber()
		if dec.Decode(&v) == nil {
			noneLeft(t, p, v)
		}
	})
}

// noneLeft walks a treated value: no member that is to go is there.
func noneLeft(t *testing.T, p *Privacy, v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			noneLeft(t, p, x)
		}
	case map[string]any:
		for name, x := range v {
			how := p.of([]byte(name))
			_, text := x.(string)
			_, list := x.([]any)
			_, object := x.(map[string]any)
			if x != nil && (how == dropIt || how == dropContent && (text || list || object) || how == hashIt && text && x != "" && !hashed(x.(string))) {
				t.Fatalf("%q: %v is still there", name, x)
			}
			noneLeft(t, p, x)
		}
	}
}

func BenchmarkPrivacyOfMetadata(b *testing.B) {
	p := rulesOf(b, PrivacyRules{})
	text := []byte(`{"prompt_version":"v7","region":"eu-west-1","finish":"stop"}`)
	for b.Loop() {
		e := Event{Metadata: text}
		p.Apply(&e)
	}
}
