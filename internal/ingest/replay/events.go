package replay

import "github.com/hxp-enterprise/hxp/internal/event"

// events are events in any form that hxp takes, as JSON array, NDJSON or values one after another. They pass as they are.
var events = format{
	name:  "events",
	wants: "JSON events with an event_type",
	match: func(p *probe) bool { return p.shape != asTable && p.has("event_type") },
	open: func(opening) decode {
		p := event.Parser{Limits: event.Widest} // those of the installation are judged there
		return func(r row, _ int64, e *event.Event) error {
			if bad := p.Parse(r.json, e); bad != nil {
				return bad
			}
			return nil
		}
	},
}
