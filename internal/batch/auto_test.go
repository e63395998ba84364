package batch

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// A past that comes at once is folded hour by hour and told in one line, like the hour that comes later.
func TestBacklogIsToldOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var out bytes.Buffer
		w := newWorld()
		w.log = slog.New(slog.NewTextHandler(&out, nil))
		r := begin(t, w, nil)
		for i := range int64(46) {
			w.publish(hour0+i*3600, request("1", "m", 0))
		}
		time.Sleep(time.Minute)
		w.publish(hour0+46*3600, request("1", "m", 0))
		time.Sleep(time.Minute)
		r.stop()
		var told []string
		for line := range strings.Lines(out.String()) {
			if strings.Contains(line, "hourly aggregation") {
				told = append(told, line)
			}
		}
		if len(told) != 2 || !strings.Contains(told[0], "hours=46 ") || !strings.Contains(told[0], "events=46 ") || !strings.Contains(told[1], "hours=1 ") {
			t.Errorf("told is\n%s", strings.Join(told, ""))
		}
	})
}
