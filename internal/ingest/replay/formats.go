package replay

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/hxp-enterprise/hxp/internal/event"
	foreign "github.com/hxp-enterprise/hxp/internal/ingest/format"
)

// format is one kind of trace file.
type format struct {
	name  string
	wants string // what a file of this format has, for messages
	match func(*probe) bool
	open  func(opening) decode
	many  func(row []byte, it *foreign.Items) error // instead of open: a row holds any number of events
}

// opening is what a decoder may know beside the row.
type opening struct {
	header []string // of a table
	start  int64    // microseconds since the epoch: zero of a relative clock
	model  string   // for a format that names none: --model, else the format's own default
	name   string   // of the file without folder and endings
}

// decode turns row n (0 is the first) into the event e, which is empty. Id and source are not its business; an id that it
// sets is kept.
type decode func(r row, n int64, e *event.Event) error

// formats is the catalogue, in the order in which they are tried.
var formats = []format{
	events,
	burstGPT,
	azureLLM,
	gentd26Requests,
	gentd26Infra,
	vllmEngine,
	vllmDetail,
	vllmGPU,
	agentCalls,
	toolOperations,
	cara,
	ragPulse,
	mooncake,
	llmPerf,
	llmfaoVotes,
	otlp,
	liteLLM,
	langfuse,
	openAIUsage,
}

// Formats lists the names of the formats.
func Formats() []string {
	var out []string
	for _, f := range formats {
		if !slices.Contains(out, f.name) {
			out = append(out, f.name)
		}
	}
	slices.Sort(out)
	return out
}

// CheckFormat says what is wrong with the name of a format; "" (find out by content) is right.
func CheckFormat(name string) error {
	if name == "" || slices.Contains(Formats(), name) {
		return nil
	}
	return fmt.Errorf("unknown format %q; known are %s", name, strings.Join(Formats(), ", "))
}

// columns finds the columns of a table by name; -1 where there is none.
func (o opening) columns(names ...string) []int {
	out := make([]int, len(names))
	for i, n := range names {
		out[i] = slices.IndexFunc(o.header, func(h string) bool { return strings.TrimSpace(h) == n })
	}
	return out
}

// at returns a field of a table row, "" where the column is missing.
func at(r row, column int) string {
	if column < 0 || column >= len(r.fields) {
		return ""
	}
	return strings.TrimSpace(r.fields[column])
}

// relative anchors a clock that counts from its own zero. places is 6 for seconds, 3 for milliseconds.
func (o opening) relative(e *event.Event, name, value string, places int) error {
	t, err := number(name, value, places, floor)
	if err != nil {
		return err
	}
	return setTime(e, name, o.start+t)
}

func setTime(e *event.Event, name string, micros int64) error {
	const year9999 = 253402300800 * 1e6
	if micros < 0 || micros >= year9999 {
		return fmt.Errorf("%s lies outside of 1970 to 9999", name)
	}
	e.Time, e.HasTime = micros, true
	return nil
}

func setCount(e *event.Event, f event.Field, name, value string) error {
	n, err := number(name, value, 0, exactly)
	if err == nil && n < 0 {
		err = fmt.Errorf("%s is negative", name)
	}
	if err == nil {
		e.SetInt(f, n)
	}
	return err
}

// setDuration takes a decimal in seconds (places 9) or milliseconds (places 6).
func setDuration(e *event.Event, f event.Field, name, value string, places int) error {
	n, err := number(name, value, places, nearest)
	if err == nil && n < 0 {
		err = fmt.Errorf("%s is negative", name)
	}
	if err == nil {
		e.SetInt(f, n)
	}
	return err
}

func setText(e *event.Event, f event.Field, value string) {
	if value != "" {
		e.SetText(f, value)
	}
}

// numeral is a JSON number, or a string with one in it, as its decimal digits; null is "".
type numeral string

func (n *numeral) UnmarshalJSON(b []byte) error {
	switch {
	case string(b) == "null":
		*n = ""
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*n = numeral(s)
	default:
		*n = numeral(b)
	}
	return nil
}

// unmarshal reads a JSON row.
func unmarshal(r row, into any) error {
	if !utf8.Valid(r.json) {
		return errors.New("is not UTF-8")
	}
	err := json.Unmarshal(r.json, into)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		if wrong.Field == "" {
			return fmt.Errorf("is a JSON %s, not an object", wrong.Value)
		}
		return fmt.Errorf("%s is a %s", wrong.Field, wrong.Value)
	}
	if err != nil {
		return fmt.Errorf("is not JSON: %w", err)
	}
	return nil
}

// extra collects what a format tells beyond the catalogue of fields.
type extra struct{ json []byte }

func (x *extra) name(n string) {
	if len(x.json) == 0 {
		x.json = append(x.json, '{')
	} else {
		x.json = append(x.json, ',')
	}
	x.json = append(strconv.AppendQuote(x.json, n), ':') // names are plain ASCII of ours
}

func (x *extra) text(n, value string) {
	if value == "" {
		return
	}
	b, err := json.Marshal(value)
	if err != nil {
		return
	}
	x.name(n)
	x.json = append(x.json, b...)
}

func (x *extra) number(n, value string) error {
	if value == "" {
		return nil
	}
	d, err := parseDecimal(value)
	if err != nil {
		return fmt.Errorf("%s %q %w", n, clip(value), err)
	}
	if whole, err := d.scaled(0, exactly); err == nil {
		x.name(n)
		x.json = strconv.AppendInt(x.json, whole, 10)
		return nil
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return fmt.Errorf("%s %q is out of range", n, clip(value))
	}
	x.name(n)
	x.json = strconv.AppendFloat(x.json, f, 'g', -1, 64)
	return nil
}

func (x *extra) into(e *event.Event) {
	if len(x.json) > 0 {
		e.Extra = append(x.json, '}')
	}
}
