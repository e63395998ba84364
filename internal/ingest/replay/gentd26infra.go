package replay

import (
	"fmt"
	"strings"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// gentd26Infra are the measurements of the GenTD26 image serving trace: one file for each measure, which only the name of the
// file tells, because all have the same columns in any order. Without a telling name the number stands under "value".
var gentd26Infra = format{
	name:  "gentd26-infra",
	wants: "the columns timestamp_anon, value, container_ip",
	match: func(p *probe) bool { return p.shape == asTable && p.has("timestamp_anon", "value", "container_ip") },
	open: func(o opening) decode {
		c := o.columns("timestamp_anon", "value", "container_ip", "request_type")
		set := gentd26Measure(o.name)
		return func(r row, _ int64, e *event.Event) error {
			e.Kind = event.SystemMetric
			t, err := number("timestamp_anon", at(r, c[0]), 6, floor)
			if err != nil {
				return err
			}
			if err := setTime(e, "timestamp_anon", t); err != nil {
				return err
			}
			if at(r, c[1]) == "" {
				return fmt.Errorf("value is empty")
			}
			if err := set(e, at(r, c[1])); err != nil {
				return err
			}
			setText(e, event.Host, or(at(r, c[2]), "gentd26")) // what no container is named for is of the whole service
			var x extra
			x.text("request_type", at(r, c[3]))
			x.into(e)
			return nil
		}
	},
}

// gentd26Measure finds what a file measures by its name.
func gentd26Measure(file string) func(*event.Event, string) error {
	field := func(f event.Field) func(*event.Event, string) error {
		return func(e *event.Event, v string) error { return setSample(e, f, "value", v, 1) }
	}
	for part, set := range map[string]func(*event.Event, string) error{"gpu_duty_cycle": field(event.GPUUsage), "queue_size": field(event.RequestsWaiting)} {
		if strings.Contains(file, part) {
			return set
		}
	}
	as := "value"
	for part, name := range map[string]string{"_qps": "requests_per_second", "queue_rt": "queue_time_ms", "pipeline_inference": "pipeline_latency_ms", "gpu_memory_used": "gpu_memory_used_bytes"} {
		if strings.Contains(file, part) {
			as = name
		}
	}
	return func(e *event.Event, v string) error { return setMetric(e, as, "value", v) }
}
