package replay

import (
	"errors"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// toolOperations are the calls of an agent's tools, published as Lightcap/agent-runtime-telemetry-small (operations) and in
// copies of it that say created_at_iso and created_at_s. No model answers such a call, so it is no llm_request, as an
// execute_tool span of OpenTelemetry is none either: each is a business_event of type tool_operation that keeps how long it
// took and how it ended.
var toolOperations = format{
	name:  "tool-operations",
	wants: "the fields operation_id, tool_name, status, duration_ms, created_at_utc (or created_at_iso, created_at_s)",
	match: func(p *probe) bool {
		return p.has("operation_id", "tool_name", "status", "duration_ms") && (p.has("created_at_utc") || p.has("created_at_iso") || p.has("created_at_s")) &&
			!p.has("event_type") && !p.has("record_id") // steps of operations, and records of requests
	},
	open: func(o opening) decode {
		return func(r row, _ int64, e *event.Event) error {
			v, err := o.named(r, "")
			if err != nil {
				return err
			}
			e.Kind = event.BusinessEvent
			e.SetText(event.BusinessEventType, "tool_operation")
			err = toolTime(v, e)
			if err == nil {
				err = toolOutcome(v, e)
			}
			return v.reason(err)
		}
	},
}

// toolTime takes the text first: it has every digit, where the seconds went through floating point.
func toolTime(v *named, e *event.Event) error {
	if name, s := v.get("created_at_utc", "created_at_iso"); s != "" {
		t, err := wallClock(name, s)
		if err != nil {
			return err
		}
		return setTime(e, name, t)
	}
	name, s := v.get("created_at_s")
	if s == "" {
		return errors.New("has none of created_at_utc, created_at_iso, created_at_s")
	}
	t, err := number(name, s, 6, floor)
	if err != nil {
		return err
	}
	return setTime(e, name, t)
}

func toolOutcome(v *named, e *event.Event) error {
	operation, tool, status := v.text("operation_id"), v.text("tool_name"), v.text("status")
	switch {
	case operation == "":
		return errors.New("operation_id is empty: the row tells of no single operation")
	case tool == "":
		return errors.New("tool_name is empty")
	case status == "":
		return errors.New("status is empty")
	}
	setText(e, event.RequestID, v.text("request_id"))
	var x extra
	x.text("operation_id", operation)
	x.text("tool_name", tool)
	x.text("status", status)
	for _, name := range []string{"stage", "error_type", "error_message_preview", "operation_mode", "backend_preference", "result_type"} {
		x.text(name, v.text(name))
	}
	for _, name := range []string{"duration_ms", "args_count", "kwargs_key_count", "result_payload_bytes", "artifacts_bytes"} {
		if err := x.number(name, v.text(name)); err != nil {
			return err
		}
	}
	x.into(e)
	return nil
}
