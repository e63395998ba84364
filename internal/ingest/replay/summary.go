package replay

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hxp-enterprise/hxp/internal/event"
	"github.com/hxp-enterprise/hxp/internal/ingest/sink"
)

// Summary is what a run did. Read, sent and refused count rows; rows that were known before are in sent and in
// duplicates. First and last are the smallest and the largest event time.
type Summary struct {
	Read            int64            `json:"read"`
	Sent            int64            `json:"sent"`
	Refused         int64            `json:"refused"`
	Duplicates      int64            `json:"duplicates"`
	Seconds         float64          `json:"seconds"`
	EventsPerSecond float64          `json:"events_per_second"`
	First           *string          `json:"first"`
	Last            *string          `json:"last"`
	ByType          map[string]int64 `json:"by_type"`
}

// tally counts what became of the rows. It is the sink's report, so its methods are called from several goroutines.
type tally struct {
	console *console

	mu         sync.Mutex
	read       int64
	sent       int64
	refused    int64
	duplicates int64
	byKind     [len(event.Kinds) + 1]int64
	first      int64
	last       int64
	timed      bool
}

func (t *tally) Sent(it sink.Item) {
	t.mu.Lock()
	t.sent++
	t.byKind[it.Kind]++
	t.mu.Unlock()
}

func (t *tally) Duplicate(it sink.Item) {
	t.mu.Lock()
	t.sent++
	t.duplicates++
	t.byKind[it.Kind]++
	t.mu.Unlock()
}

func (t *tally) Refused(it sink.Item, reason string) { t.refuse(it.File, it.Line, reason) }

// row counts a row that was read.
func (t *tally) row() {
	t.mu.Lock()
	t.read++
	t.mu.Unlock()
}

// span takes note of the time of an event that is sent.
func (t *tally) span(micros int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.timed {
		t.first, t.last, t.timed = micros, micros, true
	}
	t.first, t.last = min(t.first, micros), max(t.last, micros)
}

func (t *tally) refuse(file string, line int, reason string) {
	t.mu.Lock()
	t.refused++
	t.mu.Unlock()
	t.console.say(fmt.Sprintf("%s:%d: %s", file, line, printable(reason)))
}

// printable keeps what stood in a file from acting on the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

func (t *tally) counts() (read, sent, refused int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.read, t.sent, t.refused
}

func (t *tally) summary(took time.Duration) Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Summary{Read: t.read, Sent: t.sent, Refused: t.refused, Duplicates: t.duplicates, Seconds: rounded(took.Seconds(), 6), ByType: map[string]int64{}}
	if took > 0 {
		s.EventsPerSecond = rounded(float64(t.sent)/took.Seconds(), 1)
	}
	if t.timed {
		first, last := string(event.AppendTime(nil, t.first)), string(event.AppendTime(nil, t.last))
		s.First, s.Last = &first, &last
	}
	for _, k := range event.Kinds {
		if n := t.byKind[k]; n > 0 {
			s.ByType[k.String()] = n
		}
	}
	return s
}

func rounded(v float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'f', digits, 64), 64)
	return r
}

// write prints the summary as one line.
func (s Summary) write(w io.Writer, asJSON bool) error {
	if asJSON {
		b, err := json.Marshal(s)
		if err != nil {
			return err
		}
		_, err = w.Write(append(b, '\n'))
		return err
	}
	line := fmt.Sprintf("read %d rows, sent %d (%d known before), refused %d in %.1f s (%.0f events/s)", s.Read, s.Sent, s.Duplicates, s.Refused, s.Seconds, s.EventsPerSecond)
	if s.First != nil {
		line += fmt.Sprintf(", events from %s to %s", *s.First, *s.Last)
	}
	var kinds []string
	for k, n := range s.ByType {
		kinds = append(kinds, fmt.Sprintf("%s %d", k, n))
	}
	slices.Sort(kinds)
	if len(kinds) > 0 {
		line += ": " + strings.Join(kinds, ", ")
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
