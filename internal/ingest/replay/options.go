package replay

import (
	"fmt"
	"io"
	"strconv"
	"time"
)

// Options say what is replayed and how.
type Options struct {
	Files  []string  // paths, "-" is Stdin
	Stdin  io.Reader // for "-"
	Format string    // "" = told by content
	Start  time.Time // zero of relative clocks; the zero Time means 1970-01-01T00:00:00Z
	Speed  float64   // event seconds per second; 0 = as fast as possible
	Model  string    // for formats that name none
	JSON   bool      // the summary as JSON
	// Future is how far ahead of the clock a row may be stamped; later ones are refused, as the readers of the topics would
	// quarantine them. 0 = no limit.
	Future time.Duration

	// Terminal shows a progress bar on stderr instead of plain lines.
	Terminal bool
	// Every is the time between two lines of progress; 0 = 5 s, negative = none.
	Every time.Duration
}

// ParseSpeed reads the flag --speed: "max" (0), or a factor of real time above zero.
func ParseSpeed(s string) (float64, error) {
	if s == "max" || s == "" {
		return 0, nil
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || v > 1e9 {
		return 0, fmt.Errorf("speed %q is neither \"max\" nor a factor above 0 (1 = real time, 10 = ten times as fast)", s)
	}
	return v, nil
}

// ParseStart reads the flag --start: an RFC 3339 time.
func ParseStart(s string) (time.Time, error) {
	if s == "" {
		return time.Unix(0, 0).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return t, fmt.Errorf("start %q is not a time like 2026-01-31T00:00:00Z, from 1970 on", s)
	}
	return t.UTC(), nil
}

// check says what is wrong with the usage.
func (o *Options) check() error {
	if len(o.Files) == 0 {
		return fmt.Errorf("name at least one file, or - for standard input")
	}
	stdin := 0
	for _, f := range o.Files {
		if f == "-" {
			stdin++
		}
	}
	if stdin > 1 || stdin == 1 && o.Stdin == nil {
		return fmt.Errorf("standard input (-) can be read once")
	}
	if !(o.Speed >= 0) {
		return fmt.Errorf("speed %v is below 0", o.Speed)
	}
	return CheckFormat(o.Format)
}
