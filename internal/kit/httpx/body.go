package httpx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

// Fault is a request that cannot be done as it is, and the answer to it.
type Fault struct {
	Status int
	Detail string
	Errors []FieldError
}

func (f *Fault) Error() string { return f.Detail }

// Answer gives the answer.
func (f *Fault) Answer(w http.ResponseWriter, r *http.Request) {
	Problem(w, r, f.Status, f.Detail, f.Errors...)
}

// Wrong is the fault of one part of a request that reads well but says what cannot be: a field by its JSON pointer, or a parameter by
// its name.
func Wrong(where, code, detail string) *Fault {
	return &Fault{http.StatusUnprocessableEntity, strings.TrimPrefix(where, "/") + ": " + detail, []FieldError{{Pointer: where, Code: code, Detail: detail}}}
}

// ReadBody reads the body of a request, of at most limit bytes.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, *Fault) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &Fault{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("the body has more than %d bytes", limit)}
	}
	if err != nil {
		return nil, &Fault{Status: http.StatusBadRequest, Detail: "the body was cut off: " + err.Error()}
	}
	return body, nil
}

// BodyRule says how strict a body is read.
type BodyRule int

const (
	Strict   BodyRule = 0               // there is a body, and no field that is not known: dryrun for dry_run would do what nobody wants
	Optional BodyRule = 1 << (iota - 1) // no body is the same as {}
	Lenient                             // fields that are not known are passed over
)

// DecodeBody reads the body of a request, a JSON object of at most limit bytes, into v.
func DecodeBody(w http.ResponseWriter, r *http.Request, limit int64, v any, rule BodyRule) *Fault {
	body, bad := ReadBody(w, r, limit)
	if bad != nil {
		return bad
	}
	return DecodeJSON(body, v, rule)
}

// DecodeJSON reads a JSON object into v. A Fault that v's own decoding returns is returned as it is.
func DecodeJSON(body []byte, v any, rule BodyRule) *Fault {
	if rule&Optional != 0 && len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if rule&Lenient == 0 {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		return bodyFault(err)
	}
	if _, err := dec.Token(); err != io.EOF { // More takes a bracket that closes nothing for an end
		return &Fault{Status: http.StatusBadRequest, Detail: "something follows on the JSON object"}
	}
	return nil
}

// bodyFault says in a caller's words what encoding/json found.
func bodyFault(err error) *Fault {
	if bad, ok := errors.AsType[*Fault](err); ok {
		return bad
	}
	if bad, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if bad.Field == "" {
			return &Fault{Status: http.StatusBadRequest, Detail: "the body is not a JSON object but " + article(bad.Value)}
		}
		return Wrong("/"+strings.ReplaceAll(bad.Field, ".", "/"), "wrong_type", "must be "+kindOf(bad.Type)+", not "+article(bad.Value))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return Wrong("/"+strings.Trim(name, `"`), "unknown_field", "there is no such field; leave it out or mend its name")
	}
	text := err.Error()
	if errors.Is(err, io.EOF) {
		text = "it is empty"
	}
	return &Fault{Status: http.StatusBadRequest, Detail: "the body is not a JSON object: " + strings.ToValidUTF8(text[:min(len(text), 200)], "")}
}

// kindOf names what JSON has for a type of ours.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Slice:
		return "an array"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// article puts one before what package json calls a value.
func article(value string) string {
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}
