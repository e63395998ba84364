package lake

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// appendName writes a JSON string.
func appendName(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // valid UTF-8, so it cannot fail
			return append(dst, quoted...)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

// splitExtra undoes rows.extra: the leading numbers under names that the catalogue does not know are the metrics of a
// system_metric, the rest are its unknown fields, byte for byte.
func splitExtra(text string, e *event.Event) error {
	raw := []byte(text)
	if e.Kind != event.SystemMetric {
		e.Extra = raw
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("extra %.60q is not a JSON object", text)
	}
	for dec.More() {
		memberAt := dec.InputOffset() // before the comma, if any
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("extra %.60q: %w", text, err)
		}
		rest := bytes.TrimLeft(raw[dec.InputOffset():], " \t\r\n:")
		isNumber := len(rest) > 0 && (rest[0] == '-' || rest[0] >= '0' && rest[0] <= '9')
		if !isNumber || catalogued()[name.(string)] {
			e.Extra = append([]byte{'{'}, bytes.TrimLeft(raw[memberAt:], ", \t\r\n")...)
			return nil
		}
		value, err := dec.Token()
		if err != nil {
			return fmt.Errorf("extra %.60q: %w", text, err)
		}
		v, err := strconv.ParseFloat(string(value.(json.Number)), 64)
		if err != nil {
			return fmt.Errorf("extra: metric %q: %w", name, err)
		}
		e.Metrics = append(e.Metrics, event.Metric{Name: name.(string), Value: v})
	}
	return nil
}

// catalogued holds every name that the catalogue knows; numbers under them are never metrics of their own.
var catalogued = sync.OnceValue(func() map[string]bool {
	out := make(map[string]bool)
	for i := range event.Catalogue {
		out[event.Catalogue[i].Name] = true
		for _, a := range event.Catalogue[i].Aliases {
			out[a.Name] = true
		}
	}
	return out
})
