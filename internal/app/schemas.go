package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

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
type SchemaRegistry struct {
	base string
	http *http.Client
}

// NewSchemaRegistry makes a client of the service at a base URL, "" = where the configuration says that it listens.
func NewSchemaRegistry(cfg *Config, base string) (*SchemaRegistry, error) {
	if base == "" {
		host, port, err := net.SplitHostPort(cfg.Addr(KafkaAPI))
		if err != nil || port == "0" {
			return nil, errors.New("the port of kafka-api is not fixed; name the service with --url or set KAFKA_API_PORT")
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() { // it listens everywhere, here too
			host = "127.0.0.1"
		}
		base = "http://" + net.JoinHostPort(host, port)
	}
	if u, err := url.Parse(base); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("--url %q is no address such as http://127.0.0.1:9099", base)
	}
	return &SchemaRegistry{strings.TrimSuffix(base, "/"), &http.Client{Timeout: 60 * time.Second}}, nil
}

// RegistrySubject is a subject with its versions.
type RegistrySubject struct {
	Subject  string `json:"subject"`
	Versions []int  `json:"versions"`
}

// Subjects lists the subjects.
func (c *SchemaRegistry) Subjects(ctx context.Context) ([]RegistrySubject, error) {
	var names []string
	if err := c.call(ctx, http.MethodGet, "/subjects", nil, &names); err != nil {
		return nil, err
	}
	out := make([]RegistrySubject, len(names))
	for i, name := range names {
		out[i].Subject = name
		if err := c.call(ctx, http.MethodGet, "/subjects/"+url.PathEscape(name)+"/versions", nil, &out[i].Versions); err != nil {
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
	err = c.call(ctx, http.MethodPost, "/subjects/"+url.PathEscape(subject)+"/versions", map[string]string{"schemaType": schemaType, "schema": text}, &out)
	return out.ID, err
}

func (c *SchemaRegistry) call(ctx context.Context, method, path string, body, out any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("kafka-api does not answer at %s; is hxp running, and is KAFKA_API_PORT its port? (%w)", c.base, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end, or of no use
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("the answer of %s broke off: %w", c.base, err)
	}
	var refused struct{ Message, Detail string }
	switch {
	case res.StatusCode < 300:
		err = json.Unmarshal(answer, out)
	case json.Unmarshal(answer, &refused) == nil && refused.Message+refused.Detail != "":
		return errors.New(refused.Message + refused.Detail)
	default:
		return fmt.Errorf("kafka-api answers %s", res.Status)
	}
	if err != nil {
		return fmt.Errorf("%s%s does not answer as kafka-api does: %w", c.base, path, err)
	}
	return nil
}
