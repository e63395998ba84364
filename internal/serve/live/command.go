package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// The codes of errors that clients are told.
const (
	codeJSON      = "bad_json"
	codeType      = "bad_type"
	codeMember    = "bad_member"
	codeTopic     = "unknown_topic"
	codeFilter    = "bad_filter"
	codeInterval  = "bad_interval"
	codeBinary    = "binary"
	codeFull      = "too_many_streams"
	codeDropped   = "dropped"
	codeForbidden = "forbidden_topic"
)

// fault is what is wrong with a message of a client, for it to read.
type fault struct{ code, detail string }

// command is a message of a client.
type command struct {
	kind     string // subscribe, unsubscribe or ping
	topics   []string
	filter   Filter
	interval time.Duration // 0 = not said
}

const maxCommand = 64 << 10 // bytes of a message of a client

const commandTypes = "subscribe, unsubscribe or ping"

// decodeCommand reads a message of a client.
func decodeCommand(text []byte) (c command, f *fault) {
	var m struct {
		Type   *string  `json:"type"`
		Topics []string `json:"topics"`
		Filter *struct {
			Model string `json:"model"`
		} `json:"filter"`
		Interval *int64 `json:"interval_ms"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&m)
	if err == nil {
		if _, after := d.Token(); after != io.EOF {
			err = errors.New("something follows the object")
		}
	}
	if err != nil {
		return c, misread(err)
	}
	if m.Type == nil {
		return c, &fault{codeType, `"type" is missing; give ` + commandTypes}
	}
	switch c.kind = *m.Type; c.kind {
	case "ping":
		return c, nil
	case "subscribe", "unsubscribe":
	default:
		return c, &fault{codeType, fmt.Sprintf("type: %.40q is not known; give %s", c.kind, commandTypes)}
	}
	if len(m.Topics) == 0 {
		return c, &fault{codeTopic, `"topics" is missing; give a list of names`}
	}
	c.topics = m.Topics
	if m.Filter != nil {
		if c.filter.Model = m.Filter.Model; len(c.filter.Model) > maxModel {
			return c, &fault{codeFilter, fmt.Sprintf("filter.model: %d bytes, at most %d are allowed", len(c.filter.Model), maxModel)}
		}
	}
	if m.Interval != nil {
		var ok bool
		if c.interval, ok = intervalOf(*m.Interval); !ok {
			return c, &fault{codeInterval, fmt.Sprintf("interval_ms: %d is not a whole number from 250 to 60000", *m.Interval)}
		}
	}
	return c, nil
}

// misread words what the decoder found.
func misread(err error) *fault {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return &fault{codeMember, fmt.Sprintf("%s: it is a %s; it must be %s", wrong.Field, wrong.Value, shapes[wrong.Field])}
	}
	return &fault{codeJSON, fmt.Sprintf(`not a message: %v; give an object such as {"type":"subscribe","topics":["metrics"]}`, err)}
}

var shapes = map[string]string{"type": "a text", "topics": "a list of texts", "filter": "an object", "filter.model": "a text", "interval_ms": "a whole number"}

// intervalOf is the served interval for what was asked, in milliseconds.
func intervalOf(ms int64) (time.Duration, bool) {
	if ms <= 0 || ms > int64(time.Minute/time.Millisecond) {
		return 0, false
	}
	return roundUp(time.Duration(ms) * time.Millisecond)
}
