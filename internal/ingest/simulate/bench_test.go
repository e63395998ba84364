package simulate

import (
	"testing"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
)

// One operation is one event, encoded.
func BenchmarkDue(b *testing.B) {
	now := time.Unix(1_750_000_000, 0)
	g := New(1, Profile{Rate: 5000}, now)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	n := 0
	for n < b.N {
		now = now.Add(100 * time.Millisecond)
		g.Due(now, func(e *event.Event) {
			buf = event.AppendJSON(buf[:0], e)
			n++
		})
	}
}
