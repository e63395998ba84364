package app

import "testing"

// What a service says against a request is one line that leaves none of its reasons out and says none twice.
func TestObjections(t *testing.T) {
	for answer, want := range map[string]string{
		`{"detail":"the request has parameters that cannot be used","errors":[{"pointer":"/moves/0/to","code":"unknown","detail":"there is no price of m9"}]}`:         "the request has parameters that cannot be used; /moves/0/to: there is no price of m9",
		`{"detail":"/name: give it a name","errors":[{"pointer":"/name","code":"missing","detail":"give it a name"},{"pointer":"/to","code":"a","detail":"a topic"}]}`: "/name: give it a name; /to: a topic",
		`{"detail":"/from: a time is missing","errors":[{"pointer":"/from","detail":"a time is missing"},{"pointer":"/to","detail":"a time is missing"}]}`:             "/from: a time is missing; /to: a time is missing",
		`{"detail":"there is none"}`:                         "there is none",
		`{"message":"Subject not found","error_code":40401}`: "Subject not found",
		`<html>`: "502 Bad Gateway",
	} {
		if got := objection("502 Bad Gateway", []byte(answer)); got.Error() != want {
			t.Errorf("%s: %q, want %q", answer, got, want)
		}
	}
}
