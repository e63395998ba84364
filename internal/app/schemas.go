package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/hxp-enterprise/hxp/api"
	"github.com/hxp-enterprise/hxp/internal/event"
)

// EventSchema is one JSON Schema of hxp's own events.
type EventSchema struct {
	Name     string `json:"event_type"`
	Topic    string `json:"topic,omitempty"`
	Versions []int  `json:"versions"`
}

// EventSchemas lists the JSON Schemas of hxp's own events.
func EventSchemas() []EventSchema {
	var out []EventSchema
	for _, k := range event.Kinds {
		out = append(out, EventSchema{k.String(), k.Topic(), api.Versions(k.String())})
	}
	return append(out, EventSchema{Name: "envelope", Versions: api.Versions("envelope")})
}

// EventSchemaText returns a JSON Schema; version 0 is the newest.
func EventSchemaText(name string, version int) ([]byte, error) {
	if k, ok := event.ParseKind(name); ok {
		name = k.String()
	}
	if version == 0 {
		version = event.SchemaVersion
	}
	text, ok := api.Schema(name, version)
	if !ok {
		return nil, fmt.Errorf("there is no version %d of a schema %q; `hxp schemas list` lists them", version, name)
	}
	return text, nil
}

// BadEvent is what is wrong with one event of a file.
type BadEvent struct {
	Line    int    `json:"line"`
	Code    string `json:"code"`
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// ValidateEvents judges events, one a line or a single one over several lines, as the way in would.
func ValidateEvents(in io.Reader, each func(BadEvent)) (events int, err error) {
	r := bufio.NewReaderSize(in, 1<<20)
	var d event.Decoder
	var e event.Event
	judge := func(line int, text []byte) {
		if text = bytes.TrimSpace(text); len(text) == 0 {
			return
		}
		events++
		if v := d.Decode(text, nil, &e); v != nil {
			each(BadEvent{line, v.Code, v.Pointer, v.Detail})
		}
	}
	first, err := r.Peek(1 << 20)
	if whole := bytes.TrimSpace(first); err != nil && json.Valid(whole) { // a file with one event
		judge(1, whole)
		return events, nil
	}
	for line := 1; ; line++ {
		text, err := r.ReadBytes('\n')
		judge(line, text)
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
	}
}

// SchemaRegistry talks to the schema registry of kafka-api.
type SchemaRegistry struct{ *Asked }

// RegistrySubject is a subject with its versions.
type RegistrySubject struct {
	Subject  string `json:"subject"`
	Versions []int  `json:"versions"`
}

// Subjects lists the subjects.
func (c *SchemaRegistry) Subjects(ctx context.Context) ([]RegistrySubject, error) {
	var names []string
	if err := c.Into(ctx, http.MethodGet, "/subjects", nil, &names); err != nil {
		return nil, err
	}
	out := make([]RegistrySubject, len(names))
	for i, name := range names {
		out[i].Subject = name
		if err := c.Into(ctx, http.MethodGet, "/subjects/"+url.PathEscape(name)+"/versions", nil, &out[i].Versions); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Register registers a schema under a subject and returns its id.
func (c *SchemaRegistry) Register(ctx context.Context, subject, schemaType, text string) (id uint32, err error) {
	var out struct {
		ID uint32 `json:"id"`
	}
	err = c.Into(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions", map[string]string{"schemaType": schemaType, "schema": text}, &out)
	return out.ID, err
}
