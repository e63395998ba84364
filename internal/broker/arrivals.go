package broker

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hxp-enterprise/hxp/internal/kit/atomicfile"
)

const (
	arrivalsFile    = "arrivals.json"
	arrivalsVersion = 1
	maxSamples      = 1000 // of one partition; older ones are thinned out beyond it
)

// arrivals remembers when a partition had which end, by the broker's own clock. Retention goes by it, because the time that a
// producer stamps on a record is a stranger's word: one old stamp must not delete what came before it.
type arrivals struct {
	Version int                       `json:"version"`
	Topics  map[string]*topicArrivals `json:"topics"`
}

type topicArrivals struct {
	ID         string                 `json:"id"` // hex; a topic made anew begins anew
	Partitions map[int32]*logArrivals `json:"partitions"`
}

type logArrivals struct {
	Start   int64    `json:"start"`   // first offset kept, as of the last deletion
	Samples []sample `json:"samples"` // oldest first
	latest  int64    // the clock's furthest when the end was looked at, milliseconds since the epoch
}

// sample says that at a time (milliseconds since the epoch) everything below End had arrived.
type sample struct{ At, End int64 }

// MarshalJSON writes [at, end].
func (s sample) MarshalJSON() ([]byte, error) { return json.Marshal([2]int64{s.At, s.End}) }

// UnmarshalJSON reads [at, end].
func (s *sample) UnmarshalJSON(b []byte) error {
	var pair [2]int64
	err := json.Unmarshal(b, &pair)
	s.At, s.End = pair[0], pair[1]
	return err
}

func newArrivals() *arrivals {
	return &arrivals{Version: arrivalsVersion, Topics: map[string]*topicArrivals{}}
}

// log returns what is known of a partition.
func (a *arrivals) log(topic string, id [16]byte, partition int32) *logArrivals {
	t := a.Topics[topic]
	if name := hex.EncodeToString(id[:]); t == nil || t.ID != name {
		t = &topicArrivals{ID: name, Partitions: map[int32]*logArrivals{}}
		a.Topics[topic] = t
	}
	l := t.Partitions[partition]
	if l == nil {
		l = &logArrivals{}
		t.Partitions[partition] = l
	}
	return l
}

// set moves everything by what the clock was set by: ages stay what they are.
func (a *arrivals) set(by time.Duration) {
	for _, t := range a.Topics {
		for _, l := range t.Partitions {
			l.latest += by.Milliseconds()
			for i := range l.Samples {
				l.Samples[i].At += by.Milliseconds()
			}
		}
	}
}

// notAfter lets nothing have arrived later than now. After a start it may look so: the clock was ahead before it. Kept as they are, such samples
// would keep everything behind them until the clock is there again.
func (a *arrivals) notAfter(now time.Time) {
	for _, t := range a.Topics {
		for _, l := range t.Partitions {
			l.latest = min(l.latest, now.UnixMilli())
			for i := range l.Samples {
				l.Samples[i].At = min(l.Samples[i].At, now.UnixMilli())
			}
		}
	}
}

// forget drops topics that are gone.
func (a *arrivals) forget(live map[string]bool) {
	for topic := range a.Topics {
		if !live[topic] {
			delete(a.Topics, topic)
		}
	}
}

// note records the end of the log at a time; start is its first offset. It reports whether anything is new.
func (l *logArrivals) note(now time.Time, start, end int64) bool {
	for n := len(l.Samples); n > 0 && l.Samples[n-1].End > end; n-- { // a torn end was cut off
		l.Samples = l.Samples[:n-1]
	}
	gone := 0
	for gone < len(l.Samples) && l.Samples[gone].End <= start {
		gone++
	}
	l.Samples = l.Samples[gone:]
	l.latest = max(l.latest, now.UnixMilli()) // a clock set back must not make records older, also where nothing came before that
	at := l.latest
	if n := len(l.Samples); n > 0 {
		if l.Samples[n-1].End == end {
			return gone > 0
		}
		at = max(at, l.Samples[n-1].At)
	} else if end <= start {
		return gone > 0
	}
	l.Samples = append(l.Samples, sample{at, end})
	if len(l.Samples) > maxSamples {
		l.thin()
	}
	return true
}

// thin keeps every second sample of the older half. Records then live longer by one step, never shorter.
func (l *logArrivals) thin() {
	half := len(l.Samples) / 2
	kept := make([]sample, 0, len(l.Samples))
	for i, s := range l.Samples {
		if i >= half || i%2 == 1 {
			kept = append(kept, s)
		}
	}
	l.Samples = kept
}

// before returns the offset below which everything had arrived by then; 0 when nothing is known.
func (l *logArrivals) before(then time.Time) int64 {
	end := int64(0)
	for _, s := range l.Samples {
		if s.At > then.UnixMilli() {
			break
		}
		end = s.End
	}
	return end
}

// readArrivals returns what was written last. A file that cannot be read costs the memory of when records came, no record.
func readArrivals(dir string) (*arrivals, error) {
	data, err := os.ReadFile(filepath.Join(dir, arrivalsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return newArrivals(), nil
	}
	a := newArrivals()
	if err == nil {
		err = json.Unmarshal(data, a)
	}
	if err == nil && a.Version != arrivalsVersion {
		err = fmt.Errorf("version %d is not %d", a.Version, arrivalsVersion)
	}
	if err != nil {
		return newArrivals(), fmt.Errorf("%s: %w", arrivalsFile, err)
	}
	for topic, t := range a.Topics {
		if t == nil {
			delete(a.Topics, topic)
			continue
		}
		for p, l := range t.Partitions {
			if l == nil {
				delete(t.Partitions, p)
			}
		}
		if t.Partitions == nil {
			t.Partitions = map[int32]*logArrivals{}
		}
	}
	return a, nil
}

func (a *arrivals) write(dir string) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, arrivalsFile), data)
}
