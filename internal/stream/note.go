package stream

import (
	"bytes"
	"encoding/json"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// noted is a text that the catalogue does not know, as the event has it: among its data, else in its metadata. The name stands in quotes.
func noted(e *event.Event, name string) string {
	for _, object := range [...][]byte{e.Extra, e.Metadata} {
		if !bytes.Contains(object, []byte(name)) { // nearly always
			continue
		}
		var all map[string]json.RawMessage
		if json.Unmarshal(object, &all) != nil {
			continue
		}
		var text string
		if json.Unmarshal(all[name[1:len(name)-1]], &text) == nil && text != "" {
			return text
		}
	}
	return ""
}
