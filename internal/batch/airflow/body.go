package airflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

const maxBody = 1 << 20

// body is a JSON object of a request. Each getter reads one field and notes what is wrong with it; done refuses the fields that
// nobody asked for.
type body struct {
	flaws
	fields map[string]json.RawMessage
	known  []string
}

func readBody(w http.ResponseWriter, r *http.Request) (*body, error) {
	b := &body{flaws: flaws{part: "body"}}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, refuse(http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d bytes", maxBody))
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "The body cannot be read: "+err.Error())
	}
	if len(bytes.TrimSpace(data)) == 0 {
		b.add("", "missing", "Field required", nil, nil)
		return nil, b.err()
	}
	if !json.Valid(data) {
		b.add("", "json_invalid", "JSON decode error", map[string]any{}, nil)
		return nil, b.err()
	}
	if err := json.Unmarshal(data, &b.fields); err != nil || b.fields == nil {
		b.add("", "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", json.RawMessage(data), nil)
		return nil, b.err()
	}
	return b, nil
}

// get returns a field that is there and not null.
func (b *body) get(name string) (json.RawMessage, bool) {
	b.known = append(b.known, name)
	raw, ok := b.fields[name]
	return raw, ok && string(raw) != "null"
}

// required notes fields that are missing; null counts as there.
func (b *body) required(names ...string) {
	for _, n := range names {
		if _, ok := b.fields[n]; !ok {
			b.add(n, "missing", "Field required", b.fields, nil)
		}
	}
}

// notNull notes a null where a value must be.
func (b *body) notNull(name, kind, msg string) {
	if raw, ok := b.fields[name]; ok && string(raw) == "null" {
		b.add(name, kind, msg, nil, nil)
	}
}

func field[T any](b *body, name, kind, msg string, fallback T) T {
	raw, ok := b.get(name)
	if !ok {
		return fallback
	}
	var v T
	if json.Unmarshal(raw, &v) != nil {
		b.add(name, kind, msg, raw, nil)
		return fallback
	}
	return v
}

func (b *body) text(name string) string {
	return field(b, name, "string_type", "Input should be a valid string", "")
}

func (b *body) flag(name string, fallback bool) bool {
	return field(b, name, "bool_type", "Input should be a valid boolean", fallback)
}

func (b *body) number(name string, least, fallback int) int {
	n := field(b, name, "int_type", "Input should be a valid integer", fallback)
	if n < least {
		b.add(name, "greater_than_equal", fmt.Sprintf("Input should be greater than or equal to %d", least), n, map[string]int{"ge": least})
	}
	return n
}

func (b *body) words(name string) []string {
	return field[[]string](b, name, "list_type", "Input should be a valid list", nil)
}

func (b *body) choice(name, fallback string, allowed ...string) string {
	v := field(b, name, "enum", "Input should be "+oneOf(allowed), fallback)
	if v != fallback && !slices.Contains(allowed, v) {
		b.add(name, "enum", "Input should be "+oneOf(allowed), v, map[string]string{"expected": oneOf(allowed)})
		return fallback
	}
	return v
}

func (b *body) object(name string) json.RawMessage {
	raw, ok := b.get(name)
	if ok && raw[0] != '{' {
		b.add(name, "dict_type", "Input should be a valid dictionary", raw, nil)
		return nil
	}
	return raw
}

func (b *body) time(name string) *time.Time {
	raw, ok := b.get(name)
	if !ok {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		b.add(name, "datetime_type", "Input should be a valid datetime", raw, nil)
		return nil
	}
	t, err := parseTime(text)
	if err != nil {
		b.add(name, "datetime_from_date_parsing", "Input should be a valid datetime or date, "+err.Error(), text, map[string]string{"error": err.Error()})
		return nil
	}
	return &t
}

// done ends the reading: fields that no getter asked for are refused, as Airflow does.
func (b *body) done() error {
	var extra []string
	for name := range b.fields {
		if !slices.Contains(b.known, name) {
			extra = append(extra, name)
		}
	}
	slices.Sort(extra)
	for _, name := range extra {
		b.add(name, "extra_forbidden", "Extra inputs are not permitted", b.fields[name], nil)
	}
	return b.err()
}

// layouts are the spellings of a time that Airflow takes; without a zone it is UTC.
var layouts = []string{
	time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04",
	time.DateOnly,
}

// ParseTime reads a time as Airflow's commands and API take it: ISO 8601, a date alone is its midnight, no zone is UTC.
func ParseTime(text string) (time.Time, error) { return parseTime(text) }

func parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil {
			if y := t.UTC().Year(); y < 1970 || y > 9998 {
				return time.Time{}, errors.New("the year is not within 1970 to 9998")
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New("write it as 2026-03-01T10:00:00Z or 2026-03-01")
}
